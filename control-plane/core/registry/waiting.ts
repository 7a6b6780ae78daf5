import type { NoCapableEngine } from '../select.ts'
import type { Pongs } from './presence.ts'
import { selectFor } from './presence.ts'
import type { WaitingJob } from './state.ts'
import type { Turn } from './turn.ts'

/** Jobs that no engine can serve yet: each is told its engines as soon as they are there. */

/** Puts a job on the list, and answers at once when its engines are there already. */
export function wait(turn: Turn, job: WaitingJob, pongs: Pongs): void {
  if (!turn.state.waiting.has(job.jobId)) turn.wait(job)
  reconsider(turn, job, pongs)
}

/** What came or changed may be what somebody waits for. */
export function reconsiderAll(turn: Turn, pongs: Pongs): void {
  for (const job of [...turn.state.waiting.values()]) reconsider(turn, job, pongs)
}

/** Why no engine will do, in one sentence. */
export function sentenceOf({ requirements, runningEngines, catalogAlternatives }: NoCapableEngine): string {
  const { stage } = requirements
  const [first] = catalogAlternatives
  const help = first === undefined ? '' : ` What helps: ${first.command}`
  if (runningEngines.length === 0) {
    return `No agent is connected, so nothing can run ${stage}.${help === '' ? '' : help}`
  }
  const serving = runningEngines.filter(({ reason }) => !reason.startsWith('does not serve'))
  const named = (serving.length === 0 ? runningEngines : serving).slice(0, 10)
  const reasons = named.map(({ engine_id, reason }) => `${engine_id}: ${reason}`).join('; ')
  return `No running engine can do ${stage} as asked (${reasons}).${help}`
}

function reconsider(turn: Turn, { jobId, parameters }: WaitingJob, pongs: Pongs): void {
  const choice = selectFor(turn.state, parameters, pongs, turn.nowMs, turn.context)
  if (choice.ok) turn.order(`selected:${jobId}`, { type: 'job.selected', jobId, pipeline: choice.pipeline })
}
