/** The most likely token of each frame, repeats and blanks taken out: token ids, delimiters and all. Pure. */
export function greedyTokens(
  logProbs: Float32Array,
  frames: number,
  tokenCount: number,
  blank: number,
): number[] {
  const tokens: number[] = []
  let last = blank
  for (let frame = 0; frame < frames; frame++) {
    const row = frame * tokenCount
    let best = 0
    for (let token = 1; token < tokenCount; token++)
      if ((logProbs[row + token] ?? 0) > (logProbs[row + best] ?? 0)) best = token
    if (best !== last && best !== blank) tokens.push(best)
    last = best
  }
  return tokens
}

/** Tokens cut into words at the delimiter. */
export function wordsOf(tokens: readonly number[], delimiter: number): number[][] {
  const words: number[][] = [[]]
  for (const token of tokens) {
    if (token === delimiter) words.push([])
    else words.at(-1)?.push(token)
  }
  return words.filter((word) => word.length > 0)
}
