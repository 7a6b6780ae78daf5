import { DalstonProblem, DalstonUnreachable } from '#client/errors.ts'
import { SettingsError } from '#host/host-error.ts'
import type { JobView } from '#protocol/job.ts'

/** What the shell learns. 4 follows gh, 130 is 128 + SIGINT. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  cancelled: 3,
  unauthorized: 4,
  jobFailed: 5,
  unavailable: 6,
  pending: 8,
  interrupted: 130,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The command line cannot be understood. */
export class UsageError extends Error {}

/** The command cannot do its work, for a reason with its own exit code. */
export class CommandError extends Error {
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError || error instanceof SettingsError) return EXIT.usage
  if (error instanceof CommandError) return error.exitCode
  if (error instanceof DalstonUnreachable) return EXIT.unavailable
  if (!(error instanceof DalstonProblem)) return EXIT.failure
  if (error.code === 'unauthorized' || error.code === 'forbidden') return EXIT.unauthorized
  if (['no_capable_engine', 'unavailable', 'model_queue_full'].includes(error.code)) return EXIT.unavailable
  return EXIT.failure
}

export function exitCodeOfJob(job: JobView): ExitCode {
  if (job.status === 'completed') return EXIT.ok
  if (job.status === 'cancelled') return EXIT.cancelled
  return job.status === 'failed' ? EXIT.jobFailed : EXIT.pending
}

/** One line for the person at the terminal, with what to do next where that is known. */
export function sentenceOf(error: unknown): string {
  if (error instanceof DalstonProblem) {
    const hints = [
      ...(error.code === 'unauthorized' ? ['set DALSTON_API_KEY to a key of that server'] : []),
      ...(error.problem.running_engines ?? [])
        .filter((engine) => !error.message.includes(engine.reason))
        .map((engine) => `${engine.engine_id}: ${engine.reason}`),
      ...(error.problem.catalog_alternatives ?? []).map((alternative) => `try: ${alternative.command}`),
    ]
    return [`${error.message} (${error.code}, request ${error.requestId})`, ...hints].join('\n  ')
  }
  if (error instanceof DalstonUnreachable)
    return `${error.message}\n  is it running? \`dalston serve\` starts one here`
  return error instanceof Error ? error.message : String(error)
}
