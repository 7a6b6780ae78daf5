import { setTimeout as delay } from 'node:timers/promises'
import type { Dalston } from '#client/dalston.ts'
import { DalstonProblem } from '#client/errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { aborted, type Interrupts } from './interrupts.ts'
import type { Io } from './io.ts'

/** How long a second Ctrl-C still means the jobs that were let go. */
const SECOND_CHANCE_MS = 3_000

/** After the first Ctrl-C: jobs go on without us, unless a second one cancels them. */
export async function letGo(
  io: Io,
  client: Dalston,
  jobIds: readonly string[],
  interrupts: Interrupts,
): Promise<ExitCode> {
  if (jobIds.length === 0) return EXIT.interrupted
  const follow = jobIds.map((id) => `  dalston jobs follow ${id}`).join('\n')
  const repeat = interrupts.mayRepeat() ? `; Ctrl-C again within ${SECOND_CHANCE_MS / 1000} s cancels` : ''
  io.err(`\nstill running on the server${repeat}. To see it again:\n${follow}\n`)
  if (!interrupts.mayRepeat()) return EXIT.interrupted
  await Promise.race([aborted(interrupts.second), delay(SECOND_CHANCE_MS, undefined, { ref: true })])
  if (!interrupts.second.aborted) return EXIT.interrupted
  await cancelJobs(io, client, jobIds)
  return EXIT.cancelled
}

export async function cancelJobs(io: Io, client: Dalston, jobIds: readonly string[]): Promise<void> {
  for (const id of jobIds) {
    try {
      await client.cancel(id)
      io.err(`${id} cancelled\n`)
    } catch (error) {
      // It ended in between: nothing to cancel.
      if (!(error instanceof DalstonProblem && error.code === 'conflict')) throw error
    }
  }
}
