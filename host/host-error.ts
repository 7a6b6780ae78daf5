/** Why a server cannot start, in one sentence for the person who started it. */
export class HostError extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options)
    this.name = 'HostError'
  }
}

/** What an operator set cannot be used: a sentence for each problem. */
export class SettingsError extends HostError {
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(['The settings cannot be used:', ...problems].join('\n  '), options)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/** The system's code of an error (`EACCES`), or its message. */
export function systemCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.message : String(error)
}
