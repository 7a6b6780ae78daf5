import type { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, TaskId } from '#protocol/ids.ts'
import type { TaskError } from '#protocol/task.ts'
import type { Dispatch } from '../dispatch.ts'
import type { SignedLease } from './effects.ts'
import { QUIET_MS, RUN_GRACE_MS } from './intervals.ts'
import { countTask } from './metrics.ts'
import {
  type Grant,
  type Granted,
  grantedTo,
  type Holder,
  type Offered,
  offeredTo,
  runnerOf,
} from './state.ts'
import { lostId, startedId, type Turn } from './turn.ts'

/** Grants: how a task becomes an agent's own, stays so, and is lost. A granted fence goes to nobody else. */

/** The agent took the offer. An accept that comes after its offer expired is refused: another agent may have it. */
export function accept(turn: Turn, agentId: AgentId, grant: Grant): void {
  // Offered twice, accepted twice: it holds the grant already.
  if (grantedTo(turn.state, agentId, grant) !== null) return
  const offered = offeredTo(turn.state, agentId, grant)
  if (offered === null) {
    turn.send(agentId, { type: 'task.cancel', ...grant, reason: 'the offer is over' })
    return
  }
  const { dispatch } = offered
  const leaseUntilMs = turn.nowMs + turn.settings.leaseMs
  turn.grant({
    dispatch,
    at: 'granted',
    ...holderOf(offered),
    leaseUntilMs,
    startByMs: turn.nowMs + turn.settings.startMs,
    runUntilMs: null,
    lastN: 0,
    restarted: false,
  })
  turn.effects.push({
    type: 'send.granted',
    agentId,
    message: {
      type: 'task.granted',
      task_id: dispatch.taskId,
      fence: dispatch.fence,
      lease_until_ms: leaseUntilMs,
      inputs: [...dispatch.inputs],
      output_prefix: dispatch.outputPrefix,
      parameters: dispatch.parameters,
      run_limit_ms: dispatch.runLimitMs,
      prefetch: prefetchOf(dispatch),
    },
  })
}

function prefetchOf({ prefetch }: Dispatch): Extract<ServerMessage, { type: 'task.granted' }>['prefetch'] {
  return prefetch === undefined ? null : { engine_id: prefetch.engineId, model_id: prefetch.modelId }
}

/** The agent cannot take it now: it is asked again a little later. */
export function decline(turn: Turn, agentId: AgentId, grant: Grant): void {
  const offered = offeredTo(turn.state, agentId, grant)
  if (offered === null) return
  hush(turn, agentId, QUIET_MS, 0)
  turn.requeue(offered)
}

export function started(turn: Turn, agentId: AgentId, grant: Grant): void {
  const placement = grantedTo(turn.state, agentId, grant)
  if (placement !== null) heard(turn, placement, placement.leaseUntilMs)
}

export function extend(turn: Turn, agentId: AgentId, grants: readonly Grant[]): void {
  const leases: SignedLease[] = []
  const lost: Grant[] = []
  for (const { task_id, fence } of grants) {
    const grant = { task_id, fence }
    const placement = grantedTo(turn.state, agentId, grant)
    if (placement === null) {
      lost.push(grant)
      continue
    }
    const leaseUntilMs = turn.nowMs + turn.settings.leaseMs
    heard(turn, placement, leaseUntilMs)
    leases.push({ ...grant, lease_until_ms: leaseUntilMs, outputPrefix: placement.dispatch.outputPrefix })
  }
  turn.effects.push({ type: 'send.leases', agentId, leases, lost })
}

type TaskProgress = Extract<AgentMessage, { type: 'task.progress' }>

export function progress(turn: Turn, agentId: AgentId, message: TaskProgress): void {
  const placement = grantedTo(turn.state, agentId, message)
  if (placement === null || message.n <= placement.lastN) return
  const { n, progress, partial } = message
  turn.touch({ ...heard(turn, placement, placement.leaseUntilMs), lastN: n })
  const { taskId, jobId, fence } = placement.dispatch
  turn.effects.push({ type: 'job.progress', jobId, taskId, fence, n, progress, partial })
}

/** The agent spoke for its grant, so it runs: should its start have been lost, the Job hears of it now. */
export function heard(turn: Turn, placement: Granted, leaseUntilMs: number): Granted {
  const { runLimitMs } = placement.dispatch
  const runUntilMs = placement.runUntilMs ?? turn.nowMs + runLimitMs + RUN_GRACE_MS
  const running: Granted = { ...placement, leaseUntilMs, startByMs: null, runUntilMs, restarted: false }
  if (placement.restarted) turn.grant(running)
  else turn.touch(running)
  if (placement.startByMs === null) return running
  const { taskId, jobId, fence } = placement.dispatch
  turn.order(startedId(taskId, fence), {
    type: 'job.started',
    jobId,
    taskId,
    fence,
    runner: runnerOf(placement),
  })
  return running
}

/** The fence is over here; the Job decides what follows. */
export function lose(
  turn: Turn,
  placement: Granted,
  counted: boolean,
  error: Omit<TaskError, 'retryable'>,
): void {
  const { taskId, jobId, fence } = placement.dispatch
  turn.end(taskId, fence)
  countTask(turn, placement.dispatch.stage, 'lost')
  const told = { ...error, retryable: true }
  turn.order(lostId(taskId, fence), { type: 'job.lost', jobId, taskId, fence, counted, error: told })
}

/** An offer, lease, start or run that is over at this moment. */
export function expire(turn: Turn, taskId: TaskId): void {
  const placement = turn.state.placements.get(taskId)
  if (placement?.at === 'offered') expireOffer(turn, placement)
  if (placement?.at === 'granted') expireGrant(turn, placement)
}

function expireOffer(turn: Turn, offered: Offered): void {
  hush(turn, offered.agentId, turn.settings.heartbeatMs, turn.nowMs)
  turn.requeue(offered)
}

function expireGrant(turn: Turn, placement: Granted): void {
  const { taskId, fence } = placement.dispatch
  const { leaseUntilMs, startByMs, runUntilMs } = placement
  const isOver = leaseUntilMs <= turn.nowMs
  const ranTooLong = runUntilMs !== null && runUntilMs <= turn.nowMs
  const isLate = startByMs !== null && startByMs <= turn.nowMs
  if (!isOver && !ranTooLong && !isLate) {
    turn.touch(placement)
    return
  }
  const error = ranTooLong
    ? { code: 'run_limit', message: `it ran for more than ${placement.dispatch.runLimitMs / 1000} s` }
    : lost(isOver ? 'the lease was not extended' : 'the agent accepted the task and did not start it')
  turn.send(placement.agentId, { type: 'task.cancel', task_id: taskId, fence, reason: error.message })
  // A machine that lost its power keeps its connection for a while: it is asked again when it was heard of since.
  if (isOver) hush(turn, placement.agentId, turn.settings.heartbeatMs, turn.nowMs)
  lose(turn, placement, isOver || ranTooLong, error)
}

export function lost(message: string): Omit<TaskError, 'retryable'> {
  return { code: 'task_lost', message }
}

function hush(turn: Turn, agentId: AgentId, forMs: number, missedAtMs: number): void {
  const agent = turn.state.agents.get(agentId)
  if (agent !== undefined) turn.touchAgent({ ...agent, quietUntilMs: turn.nowMs + forMs, missedAtMs })
}

function holderOf({ agentId, engineId, modelId, embeddedModel, why, speed }: Offered): Holder {
  return { agentId, engineId, modelId, embeddedModel, why, speed }
}
