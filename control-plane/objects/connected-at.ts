/**
 * When a socket that opens now counts as connected: later than every one of its agent that is open. By the clock alone two
 * within a millisecond, or round a correction of the clock, could change places, and the live one would be closed.
 */
export function connectedAt(nowMs: number, open: readonly { readonly connectedAtMs: number }[]): number {
  return Math.max(nowMs, ...open.map(({ connectedAtMs }) => connectedAtMs + 1))
}
