import type { Dalston } from '#client/dalston.ts'
import type { CreatedJob } from '#protocol/api.ts'
import { isTerminal, type JobView } from '#protocol/job.ts'
import { CommandError, EXIT, type ExitCode, exitCodeOfJob } from './exit-codes.ts'
import type { Interrupts } from './interrupts.ts'
import type { ProgressView } from './progress-view.ts'
import { renderEnd } from './render-end.ts'

export interface FollowContext {
  readonly client: Dalston
  readonly view: ProgressView
  readonly interrupts: Interrupts
  /** Aborted when --timeout is over. */
  readonly deadline: AbortSignal | null
}

/** How it ended for this call; `jobId` is null when the job had not been made yet. */
export type Ending =
  | { readonly kind: 'accepted'; readonly created: CreatedJob }
  | { readonly kind: 'ended'; readonly job: JobView }
  | { readonly kind: 'interrupted'; readonly jobId: string | null }
  | { readonly kind: 'timeout'; readonly jobId: string | null }

/** Shows a job until it ends, or the person or the clock has enough. */
export async function followJob(context: FollowContext, jobId: string, label: string): Promise<Ending> {
  const { client, view } = context
  return untilInterrupted(
    context,
    () => jobId,
    async (signal) => {
      let job: JobView | null = null
      for await (const live of client.follow(jobId, { signal })) {
        view.update(label, live)
        job = live.job
      }
      if (job === null || !isTerminal(job.status)) {
        throw new CommandError(`the events of ${jobId} ended before the job did`, EXIT.failure)
      }
      view.finish(label)
      for (const line of renderEnd(label, job)) view.note(line)
      return { kind: 'ended', job }
    },
  )
}

export function exitCodeOfEnding(ending: Ending): ExitCode {
  if (ending.kind === 'accepted') return EXIT.ok
  if (ending.kind === 'ended') return exitCodeOfJob(ending.job)
  return ending.kind === 'timeout' ? EXIT.pending : EXIT.interrupted
}

/** Runs work that stops at the first Ctrl-C or at the deadline, and says which of them it was. */
export async function untilInterrupted(
  { interrupts, deadline }: FollowContext,
  jobId: () => string | null,
  work: (signal: AbortSignal) => Promise<Ending>,
): Promise<Ending> {
  const signal = AbortSignal.any(deadline === null ? [interrupts.first] : [interrupts.first, deadline])
  try {
    return await work(signal)
  } catch (error) {
    if (interrupts.first.aborted) return { kind: 'interrupted', jobId: jobId() }
    if (deadline?.aborted) return { kind: 'timeout', jobId: jobId() }
    throw error
  }
}
