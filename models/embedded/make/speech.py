"""Speech of a sentence by espeak-ng or flite: a voice spec and a text in, 16 kHz samples out."""

import io
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000

# A closed set of voices: a network of this size learns eight well and thirty badly.
ESPEAK_VOICES = ["en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+f2", "en-gb+m3"]
FLITE_VOICES = ["slt", "rms"]

# Both engines end up at the same loudness; the gain is varied in training, from here.
PEAK = 0.5


def random_voice(rng, voices=ESPEAK_VOICES + FLITE_VOICES):
    """A spec: `espeak-ng:en-gb+f2:165:48` (voice, words a minute, pitch) or `flite:slt:1.05` (voice, stretch)."""
    name = rng.choice(voices)
    if name in FLITE_VOICES:
        return f"flite:{name}:{rng.uniform(0.9, 1.1):.2f}"
    return f"espeak-ng:{name}:{rng.randint(140, 180)}:{rng.randint(35, 65)}"


def voice_name(spec):
    """The voice of a spec without its speed and pitch."""
    return ":".join(spec.split(":")[:2])


def speak(spec, text):
    """The samples of `text`, float32 in -1..1, with the engine's own short silence around it."""
    engine, name, *options = spec.split(":")
    if engine == "espeak-ng":
        speed, pitch = options
        command = ["espeak-ng", "-v", name, "-s", speed, "-p", pitch, "--stdout", text]
        data = subprocess.run(command, check=True, capture_output=True).stdout
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/speech.wav"
            command = ["flite", "-voice", name, "--setf", f"duration_stretch={options[0]}", "-t", text, "-o", path]
            subprocess.run(command, check=True, capture_output=True)
            data = Path(path).read_bytes()
    rate, samples = read_wav(io.BytesIO(data))
    samples = resample(samples, rate)
    return (samples * (PEAK / max(1e-6, np.abs(samples).max()))).astype(np.float32)


def read_wav(source):
    """(rate, samples) of a mono 16 bit file; into a pipe espeak-ng writes no true length, so it is read to its end."""
    with wave.open(source) as file:
        data = file.readframes(file.getnframes())
        return file.getframerate(), np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def resample(samples, rate):
    """To 16 kHz by cutting the spectrum; the ends are silent, so the wrap-around of the transform is not heard."""
    if rate == SAMPLE_RATE:
        return samples
    # 441 samples at 22,050 Hz are 320 at 16,000 Hz exactly.
    block = rate // np.gcd(rate, SAMPLE_RATE)
    samples = np.pad(samples, (0, -len(samples) % block))
    length = len(samples) // block * (SAMPLE_RATE // np.gcd(rate, SAMPLE_RATE))
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    if length > len(samples):
        spectrum = np.pad(spectrum, (0, length // 2 + 1 - len(spectrum)))
    return np.fft.irfft(spectrum, length) * (length / len(samples))
