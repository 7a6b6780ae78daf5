/** One measured number, as `npm run bench -- --json` prints it. */
export interface Figure {
  readonly bench: string
  readonly case: string
  readonly figure: string
  readonly value: number
  readonly unit: string
  /** What it should be, in words, such as `>= 50`; null where there is no target. */
  readonly target: string | null
  readonly ok: boolean | null
}

export type Report = (figure: Figure) => void

export interface Bench {
  readonly name: string
  run(report: Report): Promise<void>
}

/** The middle value; of an even number, the mean of both middle ones. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
