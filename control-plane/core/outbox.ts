/**
 * Effects that leave an object, kept with its state until their answer returns as an event. Pure: no call is made here.
 * An effect is performed when it is posted, and again whenever it is due and still unanswered.
 */
export interface Outstanding<Effect> {
  readonly id: string
  readonly effect: Effect
  readonly tries: number
  readonly dueMs: number
}

export type Outbox<Effect> = ReadonlyMap<string, Outstanding<Effect>>

/** A lost call is noticed this late at first; each further try waits twice as long. */
export const FIRST_RETRY_MS = 2_000
/** Long enough not to burden a peer that is down, short enough that its return is noticed within a minute. */
const LAST_RETRY_MS = 30_000

/** The outbox with `effect` in it; the caller performs it now. An id that is there already stays as it is. */
export function post<Effect>(
  outbox: Outbox<Effect>,
  id: string,
  effect: Effect,
  nowMs: number,
): Outbox<Effect> {
  if (outbox.has(id)) return outbox
  return new Map(outbox).set(id, firstTry(id, effect, nowMs))
}

/** The outbox without an effect that was answered. */
export function answered<Effect>(outbox: Outbox<Effect>, id: string): Outbox<Effect> {
  if (!outbox.has(id)) return outbox
  const rest = new Map(outbox)
  rest.delete(id)
  return rest
}

/** What is due, and the outbox in which each of those is due later again. */
export function takeDue<Effect>(
  outbox: Outbox<Effect>,
  nowMs: number,
): { readonly outbox: Outbox<Effect>; readonly due: readonly Outstanding<Effect>[] } {
  const due = [...outbox.values()].filter((outstanding) => outstanding.dueMs <= nowMs)
  if (due.length === 0) return { outbox, due }
  const next = new Map(outbox)
  for (const outstanding of due) {
    next.set(outstanding.id, triedAgain(outstanding, nowMs))
  }
  return { outbox: next, due }
}

/** An effect that is performed for the first time now. */
export function firstTry<Effect>(id: string, effect: Effect, nowMs: number): Outstanding<Effect> {
  return { id, effect, tries: 1, dueMs: nowMs + FIRST_RETRY_MS }
}

/** The same effect, performed once more now. */
export function triedAgain<Effect>(outstanding: Outstanding<Effect>, nowMs: number): Outstanding<Effect> {
  const waitMs = Math.min(FIRST_RETRY_MS * 2 ** outstanding.tries, LAST_RETRY_MS)
  return { ...outstanding, tries: outstanding.tries + 1, dueMs: nowMs + waitMs }
}

/** The outbox as it was saved, after an eviction: nobody knows what was answered since, so everything is due at once. */
export function reloaded<Effect>(saved: Iterable<Outstanding<Effect>>, nowMs: number): Outbox<Effect> {
  return new Map(Array.from(saved, (outstanding) => [outstanding.id, { ...outstanding, dueMs: nowMs }]))
}

export function nextDueMs<Effect>(outbox: Outbox<Effect>): number | null {
  return earliest([...outbox.values()].map((outstanding) => outstanding.dueMs))
}

/** The smallest of the given times; null where there is none. */
export function earliest(timesMs: Iterable<number | null>): number | null {
  let first: number | null = null
  for (const timeMs of timesMs) if (timeMs !== null && (first === null || timeMs < first)) first = timeMs
  return first
}
