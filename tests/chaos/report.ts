/** What a run measured and which promises it found broken, printed as it comes and summed up at the end. */
export class Report {
  readonly #rows: (readonly [what: string, value: string, target: string, verdict: string])[] = []
  readonly #broken: string[] = []
  readonly #startMs = performance.now()

  /** A line for who watches. */
  note(text: string): void {
    console.log(`${((performance.now() - this.#startMs) / 1000).toFixed(1).padStart(6)} s  ${text}`)
  }

  /** A number without a target. */
  figure(what: string, value: string | number): void {
    this.#rows.push([what, String(value), '', ''])
  }

  /** A number that was promised. */
  promise(what: string, value: string | number, target: string, isKept: boolean): void {
    this.#rows.push([what, String(value), target, isKept ? 'kept' : 'BROKEN'])
    if (!isKept) this.#broken.push(`${what}: ${value}, promised ${target}`)
  }

  /** Something that must not happen, with its evidence. */
  broken(what: string): void {
    this.note(`BROKEN ${what}`)
    this.#broken.push(what)
  }

  /** Prints the table. True: every promise was kept. */
  end(): boolean {
    const widths = [0, 1, 2].map((column) => Math.max(...this.#rows.map((row) => row[column]?.length ?? 0)))
    console.log()
    for (const row of this.#rows) {
      console.log(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      )
    }
    for (const each of this.#broken) console.log(`\nBROKEN ${each}`)
    console.log(this.#broken.length === 0 ? '\nevery promise was kept' : '\npromises were broken')
    return this.#broken.length === 0
  }
}

/** `0.5`: the median. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
