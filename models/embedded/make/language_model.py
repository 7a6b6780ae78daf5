"""The n-gram language model: interpolated Kneser-Ney from sentences of training templates, written and read as ARPA."""

import math
import random
from collections import Counter, defaultdict

import grammar

ORDER = 2
SENTENCES = 40_000
# Long recordings have no sentence marks, so a part of the text is sentences that follow each other on one line.
JOINED_SENTENCES = 3
JOINED_SHARE = 0.3
# N-grams of the highest order that were seen less often say little beyond the lower order, and weigh much.
LEAST_COUNT = 2
# log10 that ARPA writes for what never happens, such as the word <s>.
NEVER = -99.0


def training_text(rng):
    """Lists of words, with sentence marks."""
    words, splits = grammar.all_splits()
    texts = grammar.sentences(splits["train"], SENTENCES, rng, words)
    rng.shuffle(texts)
    lines, index = [], 0
    while index < len(texts):
        count = JOINED_SENTENCES if rng.random() < JOINED_SHARE / JOINED_SENTENCES else 1
        lines.append(["<s>"] + " ".join(texts[index : index + count]).split() + ["</s>"])
        index += count
    return lines


def count_ngrams(lines, order):
    """{n: {ngram: count}}; below the highest order the count is of different words before it (Kneser-Ney)."""
    raw = {n: Counter() for n in range(1, order + 1)}
    for line in lines:
        for n in range(1, order + 1):
            raw[n].update(tuple(line[start : start + n]) for start in range(len(line) - n + 1))
    counts = {order: raw[order]}
    for n in range(order - 1, 0, -1):
        followed = Counter(ngram[1:] for ngram in raw[n + 1])
        # Nothing comes before <s>, so what starts with it keeps its own count.
        counts[n] = Counter({ngram: raw[n][ngram] if ngram[0] == "<s>" else followed[ngram] for ngram in raw[n]})
    counts[1].pop(("<s>",), None)
    return counts


def probabilities(counts, vocabulary):
    """{n: {ngram: probability of its last word}}, each order interpolated with the one below."""
    result = {}
    uniform = 1 / (len(vocabulary) + 2)
    for n in sorted(counts):
        of_count = Counter(counts[n].values())
        discount = of_count[1] / (of_count[1] + 2 * of_count[2]) if of_count[1] else 0.5
        totals, kinds = defaultdict(int), Counter()
        for ngram, count in counts[n].items():
            totals[ngram[:-1]] += count
            kinds[ngram[:-1]] += 1
        result[n] = {}
        for ngram, count in counts[n].items():
            lower = uniform if n == 1 else result[n - 1][ngram[1:]]
            left_over = discount * kinds[ngram[:-1]] * lower
            result[n][ngram] = (max(0, count - discount) + left_over) / totals[ngram[:-1]]
        if n == 1:
            left = discount * kinds[()] / totals[()] * uniform
            for word in [*vocabulary, "</s>", "<unk>"]:
                result[1].setdefault((word,), left)
    return result


def write_arpa(path, probs, counts, least_count):
    """Prunes the highest order, then sets backoff weights so that what follows a history adds up to one."""
    order = max(probs)
    kept = {n: dict(probs[n]) for n in probs}
    kept[order] = {ngram: p for ngram, p in probs[order].items() if order == 1 or counts[order][ngram] >= least_count}
    lines = ["\\data\\"] + [f"ngram {n}={len(kept[n]) + (n == 1)}" for n in kept] + [""]
    for n in kept:
        seen, lower_seen = defaultdict(float), defaultdict(float)
        for ngram, p in kept.get(n + 1, {}).items():
            seen[ngram[:-1]] += p
            lower_seen[ngram[:-1]] += kept[n][ngram[1:]] if n == 1 else probs[n][ngram[1:]]
        lines.append(f"\\{n}-grams:")
        entries = sorted(kept[n].items()) if n > 1 else sorted([*kept[1].items(), (("<s>",), None)])
        for ngram, p in entries:
            line = f"{NEVER if p is None else math.log10(p):.4f}\t{' '.join(ngram)}"
            if ngram in seen:
                line += f"\t{math.log10((1 - seen[ngram]) / (1 - lower_seen[ngram])):.4f}"
            lines.append(line)
        lines.append("")
    path.write_text("\n".join(lines + ["\\end\\", ""]))


class LanguageModel:
    """An ARPA file, read."""

    def __init__(self, path):
        self.probs, self.backoffs, self.order = {}, {}, 1
        for line in path.read_text().splitlines():
            fields = line.split("\t")
            if len(fields) >= 2:
                ngram = tuple(fields[1].split())
                self.probs[ngram] = float(fields[0]) * math.log(10)
                self.order = max(self.order, len(ngram))
                if len(fields) == 3:
                    self.backoffs[ngram] = float(fields[2]) * math.log(10)

    def log_prob(self, history, word):
        """Natural log of the probability of `word` after the words `history` of the same sentence."""
        context = ("<s>", *history)[max(0, len(history) + 2 - self.order) :]
        penalty = 0.0
        while True:
            found = self.probs.get((*context, word))
            if found is not None:
                return penalty + found
            if not context:
                return penalty + self.probs[("<unk>",)]
            penalty += self.backoffs.get(context, 0.0)
            context = context[1:]


def build(lexicon, path):
    rng = random.Random(grammar.SEED + 2)
    counts = count_ngrams(training_text(rng), ORDER)
    write_arpa(path, probabilities(counts, lexicon), counts, LEAST_COUNT)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    work = Path(sys.argv[1])
    build((work / "lexicon.txt").read_text().split(), work / "language-model.arpa")
