"""Trains the network on the corpus of the work folder; stops and goes on at checkpoints.

Usage: train.py WORK [--minutes N]. The schedule has a fixed length; `--minutes` shortens it where time is short.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import torch

import grammar
from batches import Batches, token_ids
from corpus import read_list
from decode import error_rate, greedy_text
from model import MelEnergies, Network, features_of, frames_out
from speech import speak

STEPS = 14_000
WARM_UP = 300
PEAK_RATE = 3e-3
WEIGHT_DECAY = 0.01
DROPOUT = 0.05
MIDDLE_WEIGHT = 0.3
AVERAGING = 0.998
THREADS = 2
CHECKPOINT_EVERY = 200
MEASURE_EVERY = 500
MEASURED_SENTENCES = 60


def learning_rate(progress, step):
    """Warm up, then a cosine to zero."""
    return PEAK_RATE * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))


def ctc_loss(log_probs, counts, texts):
    """The mean over the batch of the loss per utterance, each divided by its length."""
    targets = [token_ids(text) for text in texts]
    lengths = torch.tensor([len(target) for target in targets])
    losses = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor([token for target in targets for token in target]),
        torch.tensor([frames_out(count) for count in counts]),
        lengths,
        reduction="none",
        zero_infinity=True,
    )
    return (losses / lengths.clamp(min=20)).mean()


def average_into(averaged, network):
    with torch.no_grad():
        mine = network.state_dict()
        for name, value in averaged.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(mine[name], 1 - AVERAGING)
            else:
                value.copy_(mine[name])


def greedy_error_rate(network, spoken):
    network.eval()
    with torch.no_grad():
        pairs = [(text, greedy_text(network(features)[0].numpy())) for features, text in spoken]
    return error_rate(pairs)


def speak_dev(work):
    front_end, spoken = MelEnergies(), []
    for _, voice, text in read_list(work / "dev.tsv")[:MEASURED_SENTENCES]:
        with torch.no_grad():
            spoken.append((features_of(front_end(torch.from_numpy(speak(voice, text))[None])), text))
    return spoken


def train(work, minutes):
    torch.set_num_threads(THREADS)
    torch.manual_seed(grammar.SEED)
    network = Network(DROPOUT).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    step, seconds_before, checkpoint_path = 0, 0.0, work / "checkpoint.pt"
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path)
        network.load_state_dict(saved["network"])
        averaged.load_state_dict(saved["averaged"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seconds_before = saved["step"], saved["seconds"]
    spoken, started, running = speak_dev(work), time.monotonic(), 0.0
    for features, counts, texts in Batches(work / "train.npz", grammar.SEED + step).batches(step):
        seconds = seconds_before + time.monotonic() - started
        progress = max(step / STEPS, seconds / 60 / minutes)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, step)
        network.train()
        last, middle = network.heads(features)
        loss = ctc_loss(last, counts, texts) + MIDDLE_WEIGHT * ctc_loss(middle, counts, texts)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average_into(averaged, network) if step >= WARM_UP else averaged.load_state_dict(network.state_dict())
        running += (loss.item() - running) * (0.02 if step else 1)
        step += 1
        if step % 50 == 0:
            print(f"step {step} loss {running:.3f} minutes {seconds / 60:.1f}", flush=True)
        if step % CHECKPOINT_EVERY == 0:
            save(checkpoint_path, network, averaged, optimizer, step, seconds)
        if step % MEASURE_EVERY == 0:
            print(f"step {step} dev greedy WER {100 * greedy_error_rate(averaged, spoken):.1f} %", flush=True)
    save(checkpoint_path, network, averaged, optimizer, step, seconds)
    print(f"{step} steps, {seconds / 60:.0f} minutes, dev greedy WER {100 * greedy_error_rate(averaged, spoken):.1f} %")


def save(path, network, averaged, optimizer, step, seconds):
    """Written beside and moved, so that a stop in between leaves the one before."""
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer}
    torch.save(
        {**{name: part.state_dict() for name, part in parts.items()}, "step": step, "seconds": seconds}, f"{path}.new"
    )
    Path(f"{path}.new").replace(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=math.inf)
    arguments = parser.parse_args()
    train(arguments.work, arguments.minutes)
