"""Words from log probabilities: greedy, and a prefix beam search bound to the lexicon; and the word error rate."""

import math

from model import TOKENS

BLANK = 0
SPACE = TOKENS.index(" ")
NOTHING = -math.inf


def greedy_text(log_probs):
    """The best token of each frame, repeats and blanks taken out; `log_probs` is [frames, tokens]."""
    best, characters, last = log_probs.argmax(1), [], BLANK
    for token in best:
        if token != last and token != BLANK:
            characters.append(TOKENS[token])
        last = token
    return " ".join("".join(characters).split())


def add(a, b):
    """log(exp(a) + exp(b))"""
    if a < b:
        a, b = b, a
    return a if b == NOTHING else a + math.log1p(math.exp(b - a))


def lexicon_tree(words):
    """Nested {token: node}; a node that ends a word has the word under the key None."""
    root = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(TOKENS.index(character), {})
        node[None] = word
    return root


class Decoder:
    """CTC prefix beam search.

    A prefix is (finished words, letters of the unfinished word). Its score is the natural log of its CTC probability,
    plus `language_model_weight` times the natural log of what the language model gives its words, plus `word_bonus` a
    word. A word is scored when its space comes. At the end only prefixes that stand at the end of a word count.
    Spaces before the first word and further spaces between two words change nothing.
    """

    def __init__(self, words, language_model, beam_width, language_model_weight, word_bonus, token_log_prob_floor):
        self.tree, self.model = lexicon_tree(words), language_model
        self.beam_width, self.weight, self.bonus = beam_width, language_model_weight, word_bonus
        self.floor = token_log_prob_floor

    def text(self, log_probs):
        # prefix: [log probability that it ends in blank, that it ends in its last token, score of words, place in tree]
        beam = {((), ()): [0.0, NOTHING, 0.0, self.tree]}
        for frame in log_probs.tolist():
            ranked = sorted(self.grown(beam, frame).items(), key=lambda item: -total(item[1]))
            beam = dict(ranked[: self.beam_width])
        return " ".join(self.best_words(beam))

    def grown(self, beam, frame):
        """Every prefix of the beam stays as it is, or takes one more token, in this frame."""
        tokens = [token for token, value in enumerate(frame) if value >= self.floor and token != BLANK]
        result = {}
        for (words, letters), (blank_end, token_end, score, node) in beam.items():
            either = add(blank_end, token_end)
            last = letters[-1] if letters else SPACE
            merge(result, (words, letters), [either + frame[BLANK], token_end + frame[last], score, node])
            for token in tokens:
                # The token that came last needs a blank before it comes anew.
                grown = (blank_end if token == last else either) + frame[token]
                if grown == NOTHING:
                    continue
                if token in node:
                    merge(result, (words, (*letters, token)), [NOTHING, grown, score, node[token]])
                elif token == SPACE and not letters:
                    merge(result, (words, letters), [NOTHING, grown, score, node])
                elif token == SPACE and None in node:
                    word = node[None]
                    word_score = score + self.word_score(words, word)
                    merge(result, ((*words, word), ()), [NOTHING, grown, word_score, self.tree])
        return result

    def word_score(self, words, word):
        return self.weight * self.model.log_prob(words, word) + self.bonus

    def best_words(self, beam):
        finished = {}
        for (words, letters), entry in beam.items():
            if not letters:
                finished[words] = max(finished.get(words, NOTHING), total(entry))
            elif None in entry[3]:
                word = entry[3][None]
                finished[(*words, word)] = total(entry) + self.word_score(words, word)
        return max(finished, key=finished.get, default=())


def total(entry):
    return add(entry[0], entry[1]) + entry[2]


def merge(result, prefix, entry):
    """Two ways to the same prefix: their probabilities add up."""
    known = result.setdefault(prefix, entry)
    if known is not entry:
        known[0], known[1] = add(known[0], entry[0]), add(known[1], entry[1])


def edits(truth, heard):
    """The least number of changed, missing and additional words."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(truth, 1):
        diagonal, row[0] = row[0], index
        for place, other in enumerate(heard, 1):
            diagonal, row[place] = row[place], min(diagonal + (word != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]


def error_rate(pairs):
    """Word error rate of (truth, heard) pairs."""
    wrong = sum(edits(truth.split(), heard.split()) for truth, heard in pairs)
    return wrong / sum(len(truth.split()) for truth, _ in pairs)
