import type { JobId, OperationId } from '#protocol/ids.ts'
import type { PipelineChoice } from '../pipeline.ts'
import type { NoCapableEngine } from '../select.ts'
import { pullFor } from './auto-pull.ts'
import { type Pongs, selectFor } from './presence.ts'
import type { WaitingJob } from './state.ts'
import type { Turn } from './turn.ts'

/** Jobs that no engine can serve yet: each is told its engines as soon as they are there. */

/** Puts a job on the list, and answers at once when its engines are there already. A call that comes late changes nothing. */
export function wait(turn: Turn, job: WaitingJob, pongs: Pongs, operationId: OperationId): void {
  if (turn.state.unwaited.has(job.jobId)) return
  if (!turn.state.waiting.has(job.jobId)) turn.wait(job)
  const choice = selectFor(turn.state, job.parameters, pongs, turn.nowMs, turn.context)
  tell(turn, job.jobId, choice)
  if (!choice.ok) pullFor(turn, job, choice.error, operationId)
}

/** What came or changed may be what somebody waits for. At the next wake: it alone knows which silent agents are there. */
export function reconsiderSoon(turn: Turn): void {
  if (turn.state.waiting.size > 0) turn.state.reconsiderMs = turn.nowMs
}

/** Jobs that ask for the same get the same. */
export function reconsiderAll(turn: Turn, pongs: Pongs): void {
  const { state, nowMs, context } = turn
  state.reconsiderMs = null
  const choices = new Map<string, PipelineChoice>()
  for (const { jobId, parameters } of state.waiting.values()) {
    const asked = JSON.stringify(parameters)
    const choice = choices.get(asked) ?? selectFor(state, parameters, pongs, nowMs, context)
    choices.set(asked, choice)
    tell(turn, jobId, choice)
  }
}

/** Why no engine will do, in one sentence. */
export function sentenceOf({ requirements, runningEngines, catalogAlternatives }: NoCapableEngine): string {
  const { stage } = requirements
  const [first] = catalogAlternatives
  const own = 'No engine of the catalog does; add one of your own: dalston agent --engines FILE'
  const help = ` ${first === undefined ? own : `What helps: ${first.command}`}`
  if (runningEngines.length === 0) {
    return `No agent is connected, so nothing can run ${stage}.${help}`
  }
  const serving = runningEngines.filter(({ reason }) => !reason.startsWith('does not serve'))
  if (serving.length === 0) {
    const engines = [...new Set(runningEngines.map(({ engine_id }) => engine_id))].slice(0, 10).join(', ')
    return `No running engine serves ${stage} (there are ${engines}).${help}`
  }
  const reasons = serving
    .slice(0, 10)
    .map(({ engine_id, reason }) => `${engine_id}: ${reason}`)
    .join('; ')
  return `No running engine can do ${stage} as asked (${reasons}).${help}`
}

function tell(turn: Turn, jobId: JobId, choice: PipelineChoice): void {
  if (choice.ok) turn.order(`selected:${jobId}`, { type: 'job.selected', jobId, pipeline: choice.pipeline })
}
