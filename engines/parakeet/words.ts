import { roundSeconds } from '#protocol/audio.ts'
import type { Word } from '#protocol/transcript.ts'
import type { Emission } from './emission.ts'
import type { Token, Vocabulary } from './vocabulary.ts'

/** A window's place in the recording and its frames' length, in seconds. */
export interface FrameTimes {
  readonly start: number
  readonly frameSeconds: number
  /** Nothing lasts longer than this. */
  readonly end: number
}

interface Written extends Emission, Token {}

/**
 * Words of a window's tokens, in time order. Pure.
 *
 * A word begins with a token that has the sign of a word's start; punctuation stays with the word before it. It lasts from
 * its first letters' frame to its last letters' frame and duration, at least a frame, and gives way to the word behind it
 * where that begins earlier (in one frame, both last a frame). Its confidence is the mean of its tokens' probabilities,
 * punctuation aside: p = softmax over tokens and blank at the place where the token was written.
 */
export function timedWords(
  emissions: readonly Emission[],
  vocabulary: Vocabulary,
  times: FrameTimes,
): Word[] {
  const groups = grouped(emissions, vocabulary)
  return groups.map((group, index) => {
    const lettered = group.filter((token) => !token.isPunctuation)
    const counted = lettered.length > 0 ? lettered : group
    const first = counted[0]?.frame ?? 0
    const last = counted.at(-1)
    const nextFirst =
      groups[index + 1]?.find((token) => !token.isPunctuation)?.frame ?? Number.POSITIVE_INFINITY
    const end = Math.min((last?.frame ?? 0) + Math.max(1, last?.frames ?? 1), Math.max(nextFirst, first + 1))
    return {
      text: group.map((token) => token.text).join(''),
      start: roundSeconds(Math.min(times.end, times.start + first * times.frameSeconds)),
      end: roundSeconds(Math.min(times.end, times.start + end * times.frameSeconds)),
      confidence: round(counted.reduce((sum, token) => sum + token.probability, 0) / counted.length),
    }
  })
}

/** Tokens cut into words. What is written without letters, as a space of its own, only says where the next begins. */
function grouped(emissions: readonly Emission[], vocabulary: Vocabulary): Written[][] {
  const words: Written[][] = []
  let begins = true
  for (const emission of emissions) {
    const token = vocabulary.tokens[emission.token]
    if (token === undefined) continue
    begins ||= token.startsWord
    if (token.text === '') continue
    const word = words.at(-1)
    // A mark behind a space belongs to the word before it, but for one that opens: ( « ¿ ¡ and quotation marks.
    const clings = token.isPunctuation && !/^[\p{Ps}\p{Pi}¿¡"'-]/u.test(token.text)
    if (word !== undefined && clings) word.push({ ...emission, ...token })
    else {
      if (word !== undefined && !begins) word.push({ ...emission, ...token })
      else words.push([{ ...emission, ...token }])
      begins = false
    }
  }
  return words
}

function round(probability: number): number {
  return Math.round(Math.min(1, probability) * 1000) / 1000
}
