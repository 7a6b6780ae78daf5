"""The sentences of the embedded model: templates filled from word lists, split by template.

Everything is drawn from a random generator that the caller passes in, so a seed fixes every sentence.
"""

import random
import re
from collections import Counter
from pathlib import Path

from spoken import COMPUTED

HERE = Path(__file__).resolve().parent
SEED = 2711

# One template in nine goes to each of the two splits that training never sees: about 30 templates each, enough that
# a single odd one does not decide the error rate.
HOLD_OUT_ONE_IN = 9


def load_words():
    """The word lists of slots.txt: {slot: [filler, ...]}."""
    lines = (HERE / "slots.txt").read_text().splitlines()
    pairs = [line.split(":", 1) for line in lines if line and not line.startswith("#")]
    return {name: [filler.strip() for filler in fillers.split(",")] for name, fillers in pairs}


def load_templates():
    """The templates of templates.txt: [(group, template), ...]."""
    group, templates = "", []
    for line in (HERE / "templates.txt").read_text().splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line and not line.startswith("#"):
            templates.append((group, line))
    return templates


def fill(template, rng, words):
    """One sentence of a template."""
    text = re.sub(r"\[([^\]]*)\]", lambda match: match[1] if rng.random() < 0.5 else "", template)
    text = re.sub(r"\(([^)]*)\)", lambda match: rng.choice(match[1].split("|")), text)
    filler = lambda slot: COMPUTED[slot](rng, words) if slot in COMPUTED else rng.choice(words[slot])
    return " ".join(re.sub(r"\{(\w+)\}", lambda match: filler(match[1]), text).split())


def needs(template):
    """What training must have elsewhere before this template can be held out: its own words, and its {slots}."""
    return set(re.findall(r"\{\w+\}", template)) | set(re.sub(r"\{\w+\}|[()\[\]|]", " ", template).split())


def split_templates(templates, slot_words, rng):
    """{split: templates}; a template may be held out only while training still has each of its words and slots."""
    uses = Counter(need for _, template in templates for need in needs(template))
    splits = {"train": [], "dev": [], "held-out": []}
    for group in sorted({group for group, _ in templates}):
        members = [template for owner, template in templates if owner == group]
        rng.shuffle(members)
        wanted = round(len(members) / HOLD_OUT_ONE_IN)
        for template in members:
            covered = all(uses[need] > 1 or need in slot_words for need in needs(template))
            taken = {name: sum(owner == group for owner, _ in splits[name]) for name in ("held-out", "dev")}
            split = next((name for name, count in taken.items() if covered and count < wanted), "train")
            splits[split].append((group, template))
            if split != "train":
                uses.subtract(needs(template))
    return splits


def all_splits():
    """(words, {split: [(group, template), ...]}), the same in every part of the recipe."""
    words = load_words()
    slot_words = {word for fillers in words.values() for filler in fillers for word in filler.split()}
    return words, split_templates(load_templates(), slot_words, random.Random(SEED))


def sentences(templates, count, rng, words):
    """`count` different sentences, the templates taking turns."""
    seen, result = set(), []
    for attempt in range(count * 20):
        if len(result) == count:
            break
        text = fill(templates[attempt % len(templates)][1], rng, words)
        if text not in seen:
            seen.add(text)
            result.append(text)
    return result


def vocabulary(splits, words, rng):
    """Every word that training sentences can hold, sorted; found by drawing many, with the word lists added whole."""
    drawn = {word for text in sentences(splits["train"], 40_000, rng, words) for word in text.split()}
    listed = {word for fillers in words.values() for filler in fillers for word in filler.split()}
    return sorted(drawn | listed)
