"""Training material on disk: sentences spoken once, kept as mel energies.

Writes in the work folder: `train.npz` (all energies in a row, where each utterance starts, its text), and
`dev.tsv`, `held-out.tsv` (utterance-id, voice spec, text), which are spoken when they are needed.
"""

import random
from multiprocessing import Pool

import numpy as np
import torch

import grammar
from model import MelEnergies
from speech import FLITE_VOICES, random_voice, speak

TRAIN_SENTENCES = 10_500
# Words in random order: they teach how a word sounds without the company that the templates always give it.
TRAIN_WORD_SALADS = 2_500
# The flite voices are cut from recordings of people and vary more than the rules of espeak-ng: they get more sentences.
TRAIN_FLITE_SENTENCES = 3_000
DEV_SENTENCES = 150
HELD_OUT_SENTENCES = 240
PROCESSES = 2

energies_of = None


def speak_energies(item):
    """Log mel energies [frames, mels] of one (voice spec, text), half precision."""
    global energies_of
    if energies_of is None:
        torch.set_num_threads(1)
        energies_of = MelEnergies()
    with torch.no_grad():
        energies = energies_of(torch.from_numpy(speak(*item))[None])[0].T
    return np.log(energies.numpy() + 1e-9).astype(np.float16)


def write_list(path, name, texts, rng):
    """`utterance-id<TAB>voice spec<TAB>text` lines."""
    lines = [f"{name}-{index + 1:03d}\t{random_voice(rng)}\t{text}" for index, text in enumerate(texts)]
    path.write_text("\n".join(lines) + "\n")


def read_list(path):
    """[(utterance-id, voice spec, text), ...] of such a file."""
    return [tuple(line.split("\t")) for line in path.read_text().splitlines()]


def build(work):
    words, splits = grammar.all_splits()
    rng = random.Random(grammar.SEED + 1)
    lexicon = grammar.vocabulary(splits, words, rng)
    (work / "lexicon.txt").write_text("\n".join(lexicon) + "\n")
    for name, count in (("dev", DEV_SENTENCES), ("held-out", HELD_OUT_SENTENCES)):
        texts = grammar.sentences(splits[name], count, rng, words)
        unknown = {word for text in texts for word in text.split()} - set(lexicon)
        assert not unknown, f"words of {name} that training never has: {sorted(unknown)}"
        write_list(work / f"{name}.tsv", name, texts, rng)

    texts = grammar.sentences(splits["train"], TRAIN_SENTENCES, rng, words)
    salad_words = lexicon * (TRAIN_WORD_SALADS * 4 // len(lexicon) + 1)
    rng.shuffle(salad_words)
    texts += [" ".join(salad_words[index * 4 : index * 4 + rng.randint(2, 4)]) for index in range(TRAIN_WORD_SALADS)]
    voices = [random_voice(rng) for _ in texts]
    more = grammar.sentences(splits["train"], TRAIN_FLITE_SENTENCES, rng, words)
    texts, voices = texts + more, voices + [random_voice(rng, FLITE_VOICES) for _ in more]
    with Pool(PROCESSES) as pool:
        energies = list(pool.imap(speak_energies, zip(voices, texts), chunksize=50))
    starts = np.cumsum([0] + [len(item) for item in energies])
    np.savez(work / "train.npz", energies=np.concatenate(energies), starts=starts, texts=np.array(texts))
    print(f"{len(texts)} utterances, {starts[-1] / 100 / 3600:.1f} hours, {len(lexicon)} words")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    build(Path(sys.argv[1]))
