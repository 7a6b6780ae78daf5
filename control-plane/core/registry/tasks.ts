import type { z } from 'zod'
import type { AgentMessage, TaskAck } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import { jobIdOf } from '#protocol/ids.ts'
import type { JobReply } from '../job/input.ts'
import { watchCoverage } from './coverage.ts'
import type { RegistryInput, RegistryReply } from './input.ts'
import { countAnswer, countTask, observeTask } from './metrics.ts'
import { offerWaiting } from './placement.ts'
import { learnFrom, queueMs } from './speeds.ts'
import { type Granted, grantedTo, lastFence, runnerOf } from './state.ts'
import { lostId, type Turn } from './turn.ts'
import { whyWaiting } from './why.ts'

/** Tasks that Jobs hand over, ask after and take back, and the results that go to them. */
type Input<Type extends RegistryInput['type']> = Extract<RegistryInput, { type: Type }>

/** Only a fence above all that were seen is news: everything else was sent twice, or came late. */
export function enqueue(turn: Turn, { dispatch }: Input<'enqueue'>): RegistryReply {
  const { taskId, fence } = dispatch
  if (fence > lastFence(turn.state, taskId)) {
    takeBack(turn, dispatch, 'superseded by a newer fence')
    turn.queue(dispatch)
    offerWaiting(turn)
    if (turn.state.placements.get(taskId)?.at === 'queued') watchCoverage(turn, dispatch)
  }
  return inquire(turn, { taskId, fence })
}

type TaskFence = Pick<Input<'inquire'>, 'taskId' | 'fence'>

/** A task whose loss is on its way to the Job is still known: that message says more than this answer could. */
export function inquire(turn: Turn, { taskId, fence }: TaskFence): RegistryReply {
  const placement = turn.state.placements.get(taskId)
  if (placement?.dispatch.fence !== fence) {
    return { known: turn.state.outbox.has(lostId(taskId, fence)), why: null, queueMs: 0 }
  }
  if (placement.at !== 'queued') return { known: true, why: null, queueMs: 0 }
  const { dispatch } = placement
  return { known: true, why: whyWaiting(turn.state, dispatch), queueMs: queueMs(turn.state, dispatch) }
}

/** The fence is over, whether it is here yet or not: an enqueue that comes after its cancel finds it so. */
export function cancel(turn: Turn, { taskId, fence, reason }: TaskFence & { readonly reason: string }): void {
  const last = lastFence(turn.state, taskId)
  if (last > fence || (last === fence && turn.state.over.has(taskId))) return
  takeBack(turn, { taskId }, reason)
  turn.end(taskId, fence)
}

/** A Job that does not take a start has moved on: the agent stops. One that has its engines waits no longer. */
export function effectAnswered(turn: Turn, { id, answer }: Input<'effect.answered'>): void {
  const effect = turn.state.outbox.get(id)?.effect
  turn.answered(id)
  if (effect?.type === 'job.selected' || effect?.type === 'job.unavailable') turn.unwait(effect.jobId)
  if (effect?.type !== 'job.started' || answer === 'ok' || answer === 'duplicate') return
  cancel(turn, { taskId: effect.taskId, fence: effect.fence, reason: `the job says ${answer}` })
}

/** Every result goes to its Job, whoever sends it: only the Job answers for it. */
export function forwardResult(
  turn: Turn,
  agentId: AgentId,
  { task_id: taskId, fence, outcome }: Extract<AgentMessage, { type: 'task.result' }>,
): void {
  const granted = grantedTo(turn.state, agentId, { task_id: taskId, fence })
  const runner = granted === null ? null : runnerOf(granted)
  turn.effects.push({ type: 'job.result', jobId: jobIdOf(taskId), agentId, taskId, fence, outcome, runner })
}

export function resultAnswered(turn: Turn, input: Input<'result.answered'>): void {
  const { agentId, taskId, fence, run } = input
  const placement = grantedTo(turn.state, agentId, { task_id: taskId, fence })
  if (placement !== null) {
    if (input.answer === 'accepted') measure(turn, placement, input)
    if (run !== null) {
      turn.remember(placement, agentId)
      if (input.answer === 'accepted') learnFrom(turn, placement, run)
    }
    turn.end(taskId, fence)
    const agent = turn.state.agents.get(agentId)
    if (agent !== undefined) turn.touchAgent({ ...agent, quietUntilMs: 0 })
  }
  const answer = ackOf(input.answer)
  countAnswer(turn, answer)
  turn.send(agentId, { type: 'task.ack', task_id: taskId, fence, answer })
}

function measure(turn: Turn, { dispatch, engineId }: Granted, { run, end }: Input<'result.answered'>): void {
  countTask(turn, dispatch.stage, end)
  if (run === null) return
  const { transfer_ms, swap_ms, load_ms, run_ms } = run.metrics
  observeTask(turn, dispatch.stage, engineId, transfer_ms + swap_ms + load_ms + run_ms)
}

/** The Job's answer in the ack's words. */
export function ackOf(answer: JobReply): z.infer<typeof TaskAck>['answer'] {
  return answer === 'accepted' || answer === 'duplicate' || answer === 'gone' ? answer : 'stale'
}

/** Tells whoever was offered or granted the task that it is over. */
function takeBack(turn: Turn, { taskId }: Pick<TaskFence, 'taskId'>, reason: string): void {
  const placement = turn.state.placements.get(taskId)
  if (placement === undefined || placement.at === 'queued') return
  const { fence } = placement.dispatch
  if (placement.at === 'offered') turn.refund(placement.dispatch)
  turn.send(placement.agentId, { type: 'task.cancel', task_id: taskId, fence, reason })
}
