import type { SpecialTokens } from './special-tokens.ts'

/**
 * What stands before the first token that the model writes: `<|startofprev|>` with the caller's words, then the start, the
 * language and the task (openai/whisper, `decoding.py`: `_get_initial_tokens`). Pure.
 */
export interface Prefix {
  readonly tokens: readonly number[]
  /** Where `<|startoftranscript|>` stands. */
  readonly startIndex: number
}

export interface PromptWords {
  readonly prompt: string | null
  readonly vocabulary: readonly string[]
}

export interface Conditioning {
  readonly tokens: readonly number[]
  /** Terms of the vocabulary that found no room. */
  readonly leftOut: number
}

export interface PrefixChoice {
  /** The model's code; null for an English-only model. */
  readonly language: string | null
  readonly task: 'transcribe' | 'translate'
  readonly conditioning: readonly number[]
}

export function prefixOf(tokens: SpecialTokens, choice: PrefixChoice): Prefix {
  const { startOfPrevious } = tokens
  const before =
    startOfPrevious === null || choice.conditioning.length === 0
      ? []
      : [startOfPrevious, ...choice.conditioning]
  const language = choice.language === null ? undefined : tokens.languages.get(choice.language)
  const task = tokens[choice.task]
  const start = [
    tokens.startOfTranscript,
    ...(language === undefined ? [] : [language]),
    ...(task === null ? [] : [task]),
  ]
  return { tokens: [...before, ...start], startIndex: before.length }
}

/**
 * The caller's vocabulary and prompt as the text that came before, in at most half of what the decoder holds, start token
 * included. The prompt stands last and keeps its end, as what was just said matters most; of the vocabulary, whole terms are
 * kept from the first on.
 */
export function conditioningOf(
  words: PromptWords,
  encode: (text: string) => readonly number[],
  targetPositions: number,
): Conditioning {
  const room = (targetPositions >> 1) - 1
  const prompt = words.prompt === null ? [] : encode(` ${words.prompt.trim()}`).slice(-room)
  let kept = words.vocabulary.length
  let terms: readonly number[] = []
  for (; kept > 0; kept--) {
    terms = encode(` ${words.vocabulary.slice(0, kept).join(', ')}.`)
    if (terms.length + prompt.length <= room) break
    terms = []
  }
  return { tokens: [...terms, ...prompt], leftOut: words.vocabulary.length - kept }
}
