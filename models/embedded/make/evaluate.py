"""Tunes the beam on dev, then measures word error rates, greedy and beam: dev, held-out (whole, by voice), samples.

Usage: evaluate.py WORK MODEL_FOLDER. Writes decoder.json and measured.json into the work folder.
"""

import json
import sys
from collections import defaultdict
from itertools import product
from multiprocessing import Pool
from pathlib import Path

import torch

from corpus import read_list
from decode import Decoder, error_rate, greedy_text
from export import load_recognizer
from language_model import LanguageModel
from speech import read_wav, speak, voice_name

PROCESSES = 2
# Weight and bonus pull in opposite directions, so they are tried together; then the two that trade accuracy for speed.
WEIGHTS = [0.2, 0.4, 0.6, 0.8]
BONUSES = [0.0, 1.0, 2.0, 3.0]
START = {"beam_width": 40, "token_log_prob_floor": -10.0}
# From fast to slow: the fastest of equals is taken.
FLOORS = [-5.0, -7.0, -10.0]
BEAM_WIDTHS = [8, 16, 24, 40]

decoder = None


def recognised(recognizer, samples):
    with torch.no_grad():
        return recognizer(torch.from_numpy(samples)[None])[0].numpy()


def recognised_list(work, recognizer, name):
    """[(voice, text, log_probs), ...] of a list, each sentence spoken anew and recognised alone."""
    items = read_list(work / f"{name}.tsv")
    return [(voice_name(voice), text, recognised(recognizer, speak(voice, text))) for _, voice, text in items]


def recognised_samples(folder, recognizer):
    """The same of the sample recordings; the name of the recording stands for the voice."""
    result = []
    for path in sorted((folder / "samples").glob("*.wav")):
        lines = path.with_suffix(".txt").read_text().splitlines()
        text = " ".join(line.split(": ", 1)[-1] for line in lines)
        result.append((path.stem, text, recognised(recognizer, read_wav(str(path))[1])))
    return result


def start_worker(work, parameters):
    global decoder
    words = (work / "lexicon.txt").read_text().split()
    decoder = Decoder(words, LanguageModel(work / "language-model.arpa"), **parameters)


def beam_text(log_probs):
    return decoder.text(log_probs)


def beam_texts(work, parameters, spoken):
    with Pool(PROCESSES, start_worker, (work, parameters)) as pool:
        return pool.map(beam_text, [log_probs for _, _, log_probs in spoken], chunksize=5)


def tune(work, dev):
    """The decoder's parameters with the least dev error."""

    def best_of(choices):
        errors = []
        for parameters in choices:
            heard = beam_texts(work, parameters, dev)
            errors.append(error_rate([(text, other) for (_, text, _), other in zip(dev, heard, strict=True)]))
            print(f"dev WER {100 * errors[-1]:.2f} % {parameters}", flush=True)
        return choices[errors.index(min(errors))]

    pairs = product(WEIGHTS, BONUSES)
    best = best_of([{**START, "language_model_weight": weight, "word_bonus": bonus} for weight, bonus in pairs])
    best = best_of([{**best, "token_log_prob_floor": floor} for floor in FLOORS])
    return best_of([{**best, "beam_width": width} for width in BEAM_WIDTHS])


def measure(work, parameters, spoken):
    """{"greedy": {voice or "all": percent}, "beam": the same}; prints what the beam has wrong."""
    heard = {
        "greedy": [greedy_text(log_probs) for _, _, log_probs in spoken],
        "beam": beam_texts(work, parameters, spoken),
    }
    result = {}
    for way, texts in heard.items():
        pairs = defaultdict(list)
        for (voice, truth, _), text in zip(spoken, texts, strict=True):
            pairs["all"].append((truth, text))
            pairs[voice].append((truth, text))
        result[way] = {voice: round(100 * error_rate(pairs[voice]), 2) for voice in sorted(pairs)}
    for truth, text in pairs["all"]:
        if truth != text:
            print(f"- {truth}\n+ {text}")
    return result


def main(work, folder):
    torch.set_num_threads(PROCESSES)
    recognizer = load_recognizer(work)
    dev = recognised_list(work, recognizer, "dev")
    parameters = tune(work, dev)
    (work / "decoder.json").write_text(json.dumps(parameters))
    measured = {
        "decoder": parameters,
        "dev": measure(work, parameters, dev),
        "held-out": measure(work, parameters, recognised_list(work, recognizer, "held-out")),
        "samples": measure(work, parameters, recognised_samples(folder, recognizer)),
    }
    (work / "measured.json").write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
