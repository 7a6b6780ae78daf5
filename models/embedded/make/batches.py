"""Training batches: utterances joined with pauses, made louder or softer, noisy, with parts masked.

All of it happens on mel energies, where joining is concatenation and adding noise is addition.
"""

import random

import numpy as np
import torch

from model import MELS, SAMPLE_RATE, TOKENS, MelEnergies, features_of

# Frames of 10 ms in a padded batch: about 16 utterances.
BATCH_FRAMES = 6000
# Batches that are sorted by length together; more gives less padding and less mixing.
POOL_BATCHES = 24
JOINED = 0.3
EMPTY = 0.015
NOISY = 0.6
# Steps that see short utterances alone, which is how the network finds out quickly that sound and letters go together.
EASY_STEPS = 500
EASY_FRAMES = 260

TOKEN_INDEX = {token: index for index, token in enumerate(TOKENS)}


def token_ids(text):
    return [TOKEN_INDEX[character] for character in text]


class Batches:
    """Endless batches of (features [batch, MELS, frames], mel frame counts, texts)."""

    def __init__(self, corpus_path, seed):
        corpus = np.load(corpus_path)
        self.energies, self.starts, self.texts = corpus["energies"], corpus["starts"], corpus["texts"].tolist()
        self.lengths = np.diff(self.starts)
        self.rng = random.Random(seed)
        self.np_rng = np.random.default_rng(seed)
        self.noises = noise_bank(self.np_rng)
        self.order = []

    def next_utterance(self, easy):
        """Each utterance once, in random order, then again; the easy phase passes over long ones."""
        while True:
            if not self.order:
                self.order = list(range(len(self.texts)))
                self.rng.shuffle(self.order)
            index = self.order.pop()
            if not easy or self.lengths[index] <= EASY_FRAMES:
                energies = np.exp(self.energies[self.starts[index] : self.starts[index + 1]].astype(np.float32))
                return energies, self.texts[index]

    def example(self, easy):
        """(features [frames, MELS], text) of one utterance, of two with a pause, or of none at all."""
        rng = self.rng
        silence = lambda low, high: np.zeros((rng.randint(low, high), MELS), np.float32)
        if rng.random() < EMPTY:
            parts, text, loudness = [silence(100, 400)], "", 1.0
        else:
            energies, text = self.next_utterance(easy)
            loudness = energies.mean()
            parts = [silence(0, 40), energies, silence(0, 60)]
            if not easy and rng.random() < JOINED:
                energies, more = self.next_utterance(easy)
                parts += [silence(0, 40), energies * 10 ** rng.uniform(-0.4, 0.4), silence(0, 60)]
                text = f"{text} {more}"
        return self.augmented(np.concatenate(parts), loudness), text

    def augmented(self, energies, loudness):
        rng = self.rng
        tilt = np.linspace(-1, 1, MELS, dtype=np.float32) * rng.uniform(-0.7, 0.7)
        energies = energies * np.exp(tilt)
        if rng.random() < NOISY:
            noise = rng.choice(self.noises)
            start = rng.randrange(len(noise) - 50)
            rows = np.arange(start, start + len(energies)) % len(noise)
            energies = energies + noise[rows] * (loudness * 10 ** -rng.uniform(1.2, 4.5))
        energies = energies * 10 ** rng.uniform(-1.5, 0.8)
        features = features_of(torch.from_numpy(energies)).numpy()
        for _ in range(2):
            low, width = rng.randrange(MELS), rng.randint(0, 8)
            features[:, low : low + width] = 0
        for _ in range(len(features) // 150):
            first, width = rng.randrange(len(features)), rng.randint(0, 6)
            features[first : first + width] = 0
        return features

    def pool(self, easy):
        """Examples for some batches, sorted by length and cut, the batches in random order."""
        examples, frames = [], 0
        while frames < BATCH_FRAMES * POOL_BATCHES:
            examples.append(self.example(easy))
            frames += len(examples[-1][0])
        examples.sort(key=lambda example: len(example[0]))
        batches, batch = [], []
        for example in examples:
            if batch and (len(batch) + 1) * len(example[0]) > BATCH_FRAMES:
                batches.append(batch)
                batch = []
            batch.append(example)
        self.rng.shuffle(batches)
        return batches

    def batches(self, step):
        while True:
            for batch in self.pool(step < EASY_STEPS):
                yield padded(batch)
                step += 1


def padded(batch):
    """Zero in feature space is digital silence, so the padding needs no mask."""
    counts = [len(features) for features, _ in batch]
    stacked = np.zeros((len(batch), max(counts), MELS), np.float32)
    for row, (features, _) in enumerate(batch):
        stacked[row, : len(features)] = features
    return torch.from_numpy(stacked).transpose(1, 2), counts, [text for _, text in batch]


def noise_bank(rng):
    """Energies of ten seconds each of white, pink and brown noise, of average one."""
    front_end, bank = MelEnergies(), []
    for slope in (0, 0.5, 1):
        spectrum = np.fft.rfft(rng.standard_normal(10 * SAMPLE_RATE))
        spectrum *= np.maximum(1.0, np.arange(len(spectrum))) ** -slope
        samples = np.fft.irfft(spectrum).astype(np.float32)
        with torch.no_grad():
            energies = front_end(torch.from_numpy(samples)[None])[0].T.numpy()
        bank.append(energies / energies.mean())
    return bank
