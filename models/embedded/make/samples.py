"""The sample recordings and their texts, from the turns of samples.txt.

Usage: samples.py WORK MODEL_FOLDER
"""

import random
import re
import sys
from pathlib import Path

import numpy as np

import grammar
from speech import SAMPLE_RATE, speak, write_wav

# Between sentences, on top of the short silence that the engines leave.
PAUSE_SECONDS = (0.3, 0.7)
# A quiet room, about 55 dB below full scale.
NOISE_LEVEL = 0.0018


def load_scripts():
    """{name: [(speaker, voice spec, [sentence, ...]), ...]}"""
    scripts, turns = {}, []
    for line in (grammar.HERE / "samples.txt").read_text().splitlines():
        if line.startswith("## "):
            turns = scripts.setdefault(line[3:], [])
        elif line and not line.startswith("#"):
            speaker, voice, text = re.fullmatch(r"(\w) \(([^)]*)\): (.*)", line).groups()
            turns.append((speaker, voice, [part.strip() for part in text.split(".") if part.strip()]))
    return scripts


def check(scripts, lexicon, training_texts):
    for name, turns in scripts.items():
        for sentence in (sentence for _, _, sentences in turns for sentence in sentences):
            unknown = [word for word in sentence.split() if word not in lexicon]
            assert not unknown, f"{name}: not in the lexicon: {unknown}"
            assert sentence not in training_texts, f"{name}: training has this sentence: {sentence}"


def recording(turns, rng):
    """Samples of all turns with pauses and quiet noise."""
    parts = [np.zeros(SAMPLE_RATE // 4)]
    for _, voice, sentences in turns:
        for sentence in sentences:
            parts += [speak(voice, sentence), np.zeros(int(rng.uniform(*PAUSE_SECONDS) * SAMPLE_RATE))]
    samples = np.concatenate(parts)
    noise = np.random.default_rng(grammar.SEED).standard_normal(len(samples)) * NOISE_LEVEL
    return samples + noise


def truth(name, turns):
    """One line a turn; only the dialogue names its speakers."""
    mark = "{}: " if name == "dialogue" else ""
    return "\n".join(mark.format(speaker) + " ".join(sentences) for speaker, _, sentences in turns) + "\n"


def build(work, folder):
    scripts, rng = load_scripts(), random.Random(grammar.SEED + 3)
    training_texts = set(np.load(work / "train.npz")["texts"].tolist())
    check(scripts, set((work / "lexicon.txt").read_text().split()), training_texts)
    folder.mkdir(parents=True, exist_ok=True)
    for name, turns in scripts.items():
        samples = recording(turns, rng)
        write_wav(folder / f"{name}.wav", samples)
        (folder / f"{name}.txt").write_text(truth(name, turns))
        print(f"{name}: {len(samples) / SAMPLE_RATE:.1f} seconds")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) / "samples")
