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

/** The language whose token is most likely; only languages compete. Null where logits are no numbers. */
export function likeliestLanguage(logits: Float32Array, known: ReadonlyMap<string, number>): string | null {
  let best: string | null = null
  let highest = Number.NEGATIVE_INFINITY
  for (const [code, id] of known) {
    const logit = logits[id] ?? Number.NEGATIVE_INFINITY
    if (Number.isNaN(logit)) return null
    if (logit <= highest && best !== null) continue
    best = code
    highest = logit
  }
  return best
}
