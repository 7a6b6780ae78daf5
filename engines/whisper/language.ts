import { probability } from './sampling.ts'

/**
 * Languages as callers name them (ISO 639, with or without a region) and as Whisper's vocabulary does, which has a few codes
 * of its own. Pure.
 */
const OWN_CODES: Readonly<Record<string, string>> = { jv: 'jw', nb: 'no', fil: 'tl', iw: 'he', cmn: 'zh' }
const ISO_CODES: Readonly<Record<string, string>> = { jw: 'jv' }

/** The model's code for a language; null where it has none. */
export function modelLanguage(language: string, known: ReadonlyMap<string, number>): string | null {
  const bare = language.split('-')[0] ?? language
  for (const code of [language, bare, OWN_CODES[bare]]) if (code !== undefined && known.has(code)) return code
  return null
}

/** ISO 639 for a code of the model. */
export function isoLanguage(code: string): string {
  return ISO_CODES[code] ?? code
}

/**
 * The language of a recording, by what is said behind the start of some of its chunks: of languages alone, the likeliest over
 * all chunks, each as much as speech is heard in it. So music at the beginning does not decide. Null where logits are no
 * numbers.
 */
export function likeliestLanguage(
  chunks: readonly Float32Array[],
  known: ReadonlyMap<string, number>,
  noSpeech: number | null,
): string | null {
  const shares = new Map<string, number>()
  for (const logits of chunks) {
    const highest = Math.max(...[...known.values()].map((id) => logits[id] ?? Number.NEGATIVE_INFINITY))
    const weights = [...known].map(
      ([code, id]) => [code, Math.exp((logits[id] ?? highest) - highest)] as const,
    )
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
    const speech = LEAST_SPEECH + 1 - (noSpeech === null ? 0 : probability(logits, noSpeech))
    for (const [code, weight] of weights)
      shares.set(code, (shares.get(code) ?? 0) + (speech * weight) / total)
  }
  const best = [...shares].reduce((most, one) => (one[1] > most[1] ? one : most), ['', 0] as const)
  return Number.isFinite(best[1]) && best[0] !== '' ? best[0] : null
}

/** Where speech is heard in no chunk, all count the same. */
const LEAST_SPEECH = 1e-3
