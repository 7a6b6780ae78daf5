/** What must hold, and what was found. */
export interface Bound {
  readonly name: string
  readonly found: string
  readonly limit: string
  readonly holds: boolean
}

/** An engine held to another library's results on the same models and inputs. */
export interface Parity {
  /** The library and its version. */
  readonly peer: string
  /** `print` takes lines that are only to be read. */
  run(print: (line: string) => void): AsyncIterable<Bound>
}
