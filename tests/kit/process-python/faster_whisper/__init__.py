"""Stands in for the package: the same names, keywords and tuples; what it hears is what it was asked."""
import wave
import weakref
from typing import List, NamedTuple, Optional

_alive = weakref.WeakSet()


class Word(NamedTuple):
    start: float
    end: float
    word: str
    probability: float


class Segment(NamedTuple):
    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: List[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: Optional[List[Word]]
    temperature: Optional[float] = 1.0


class TranscriptionInfo(NamedTuple):
    language: str
    language_probability: float
    duration: float
    duration_after_vad: float


class WhisperModel:
    def __init__(self, model_size_or_path, device="auto", device_index=0, compute_type="default", cpu_threads=0, num_workers=1, download_root=None, local_files_only=False):
        print("loading", model_size_or_path)
        if _alive:
            raise RuntimeError("CUDA failed with error out of memory")
        self.path, self.device, self.threads = model_size_or_path, device, cpu_threads
        self.cycle = self  # as frameworks have them: only a collection frees it
        _alive.add(self)

    @property
    def supported_languages(self):
        return ["en", "hr", "pt"]

    def transcribe(self, audio, language=None, task="transcribe", beam_size=5, temperature=(0.0, 0.2), initial_prompt=None, word_timestamps=False, vad_filter=False, clip_timestamps="0", hotwords=None):
        with wave.open(audio) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
            seconds = file.getnframes() / 16000
        heard = language or "hr"
        said = f" {self.path.split('/')[-1]} {task} {heard} {temperature} {initial_prompt} {hotwords}"
        clips = list(zip(clip_timestamps[::2], clip_timestamps[1::2]))
        info = TranscriptionInfo(heard, 0.9, seconds, seconds)
        return self._segments(clips, said, word_timestamps), info

    def _segments(self, clips, said, word_timestamps):
        for index, (start, end) in enumerate(clips):
            print("segment", index)
            middle = (start + end) / 2
            words = [Word(start, middle, said, 0.75), Word(middle, end, " there.", 1.0000001)] if word_timestamps else None
            yield Segment(index, 0, start, end, said + " there.", [1, 2], -0.25, 1.5, 0.01, words, 0.0)
