import { roundSeconds } from '#protocol/audio.ts'
import type { Word } from '#protocol/transcript.ts'
import { align } from './align.ts'
import type { DecodedWord } from './decoder.ts'
import { type FrameGrid, frameStart } from './frames.ts'
import type { ModelConfig } from './model-config.ts'
import type { Utterance } from './utterance.ts'

/**
 * Times and confidences of decoded words, from the most likely path of the text through the utterance's frames. Pure.
 *
 * A word lasts from its first letter's first frame to its last letter's last one. Its confidence is the mean over its letters
 * of the highest probability that the network gave the letter on its frames of the path: how much the sound alone supports
 * this spelling. A word that only the language model wanted has a low one. Without a path both are unknown: the confidence is
 * null and the words share the utterance's time evenly.
 */
export function timedWords(
  words: readonly DecodedWord[],
  utterance: Utterance,
  config: ModelConfig,
  grid: FrameGrid,
): Word[] {
  if (words.length === 0) return []
  const tokenCount = config.tokens.length
  const delimiter = config.tokens.indexOf(config.word_delimiter)
  const tokens = words.flatMap((word, index) => (index === 0 ? word.tokens : [delimiter, ...word.tokens]))
  const { logProbs, frames, firstFrame } = utterance
  const path = align(logProbs, frames, tokenCount, config.blank_index, tokens)
  let at = 0
  return words.map((word, index) => {
    const firstToken = at
    at += word.tokens.length + 1
    if (path === null) return shared(word.text, index, words.length, utterance, grid)
    let sum = 0
    for (let token = firstToken; token < firstToken + word.tokens.length; token++)
      sum += highest(logProbs, tokenCount, tokens[token] ?? 0, path.first[token] ?? 0, path.last[token] ?? 0)
    const first = firstFrame + (path.first[firstToken] ?? 0)
    const last = firstFrame + (path.last[firstToken + word.tokens.length - 1] ?? 0)
    return {
      text: word.text,
      start: roundSeconds(frameStart(grid, first)),
      end: roundSeconds(frameStart(grid, last + 1)),
      confidence: Math.round(Math.min(1, sum / word.tokens.length) * 1000) / 1000,
    }
  })
}

/** The highest probability of a token in a range of frames. */
function highest(
  logProbs: Float32Array,
  tokenCount: number,
  token: number,
  first: number,
  last: number,
): number {
  let best = Number.NEGATIVE_INFINITY
  for (let frame = first; frame <= last; frame++)
    best = Math.max(best, logProbs[frame * tokenCount + token] ?? Number.NEGATIVE_INFINITY)
  return Math.exp(best)
}

function shared(text: string, index: number, count: number, utterance: Utterance, grid: FrameGrid): Word {
  const at = (part: number) =>
    roundSeconds(frameStart(grid, utterance.firstFrame + (utterance.frames * part) / count))
  return { text, start: at(index), end: at(index + 1), confidence: null }
}
