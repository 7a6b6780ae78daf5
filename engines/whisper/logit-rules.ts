/**
 * What may come next: the rules of the reference's logit filters (openai/whisper, `decoding.py`: SuppressBlank,
 * SuppressTokens, ApplyTimestampRules), on one row of logits, in place. What may not come is −Infinity afterwards. Pure, and
 * without allocation: it runs for every token of every row.
 */
export interface RuleTokens {
  readonly endOfText: number
  readonly noTimestamps: number
  readonly firstTimestamp: number
  readonly vocabularySize: number
}

export interface LogitRules {
  readonly tokens: RuleTokens
  /** Never written. */
  readonly suppressed: Int32Array
  /** Not written first. */
  readonly suppressedFirst: Int32Array
  /** The first timestamp is at most this many steps of 0.02 s behind the start; null for any. */
  readonly firstTimestampLimit: number | null
  /** Timestamps never go back, and no segment is empty. */
  readonly isMonotonic: boolean
}

/** The reference's `max_initial_timestamp` of 1 s. */
export const FIRST_TIMESTAMP_LIMIT = 50

const NEVER = Number.NEGATIVE_INFINITY

/**
 * `written`: the row's tokens so far, without the prefix. `lastTimestamp`: steps of 0.02 s beyond which the chunk has no
 * sound.
 */
export function applyRules(
  logits: Float32Array,
  written: readonly number[],
  rules: LogitRules,
  lastTimestamp: number,
): void {
  const { endOfText, noTimestamps, firstTimestamp } = rules.tokens
  const isFirst = written.length === 0
  for (const token of rules.suppressed) logits[token] = NEVER
  if (isFirst) for (const token of rules.suppressedFirst) logits[token] = NEVER
  logits[noTimestamps] = NEVER
  logits.fill(NEVER, firstTimestamp + lastTimestamp + 1)
  if (isFirst) {
    logits.fill(NEVER, 0, firstTimestamp)
    const limit = rules.firstTimestampLimit
    if (limit !== null) logits.fill(NEVER, firstTimestamp + limit + 1)
    return
  }
  const last = written[written.length - 1] ?? 0
  const before = written[written.length - 2]
  const lastIsTimestamp = last >= firstTimestamp
  const beforeIsTimestamp = before === undefined || before >= firstTimestamp
  if (lastIsTimestamp) {
    if (beforeIsTimestamp) logits.fill(NEVER, firstTimestamp)
    else logits.fill(NEVER, 0, endOfText)
  }
  if (rules.isMonotonic) {
    const latest = latestTimestamp(written, firstTimestamp)
    // The second of a pair may repeat the first; the end of a segment is later than its start.
    const isPair = lastIsTimestamp && !beforeIsTimestamp
    if (latest !== -1) logits.fill(NEVER, firstTimestamp, isPair ? latest : latest + 1)
  }
  if (timestampsOutweigh(logits, firstTimestamp)) logits.fill(NEVER, 0, firstTimestamp)
}

function latestTimestamp(written: readonly number[], firstTimestamp: number): number {
  for (let index = written.length - 1; index >= 0; index--) {
    const token = written[index] ?? 0
    if (token >= firstTimestamp) return token
  }
  return -1
}

/** Whether all timestamps together are more likely than any single other token. */
function timestampsOutweigh(logits: Float32Array, firstTimestamp: number): boolean {
  let highest = NEVER
  for (let token = 0; token < firstTimestamp; token++) {
    const logit = logits[token] ?? NEVER
    if (logit > highest) highest = logit
  }
  let top = NEVER
  for (let token = firstTimestamp; token < logits.length; token++) {
    const logit = logits[token] ?? NEVER
    if (logit > top) top = logit
  }
  if (top === NEVER) return false
  if (top > highest) return true
  let sum = 0
  for (let token = firstTimestamp; token < logits.length; token++)
    sum += Math.exp((logits[token] ?? NEVER) - highest)
  return sum > 1
}
