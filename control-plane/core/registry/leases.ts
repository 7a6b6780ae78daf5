import type { AgentMessage } from '#protocol/agent-messages.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { SignedLease } from './effects.ts'
import { LEASE_MS, QUIET_MS, START_MS } from './intervals.ts'
import type { Placement } from './state.ts'
import type { Turn } from './turn.ts'

/** Grants: how a task becomes an agent's own, stays so, and is lost. A granted fence goes to nobody else. */
type Granted = Extract<Placement, { at: 'granted' }>
type Grant = { readonly task_id: Granted['dispatch']['taskId']; readonly fence: number }

/** The agent took the offer. An accept that comes after its offer expired is refused: another agent may have it. */
export function accept(turn: Turn, agentId: AgentId, grant: Grant): void {
  const placement = turn.state.placements.get(grant.task_id)
  if (
    placement?.at !== 'offered' ||
    placement.agentId !== agentId ||
    placement.dispatch.fence !== grant.fence
  ) {
    turn.send(agentId, { type: 'task.cancel', ...grant, reason: 'the offer is over' })
    return
  }
  const { expiresAtMs: _expiresAtMs, ...rest } = placement
  const leaseUntilMs = turn.nowMs + LEASE_MS
  const granted: Granted = {
    ...rest,
    at: 'granted',
    leaseUntilMs,
    startByMs: turn.nowMs + START_MS,
    lastN: 0,
  }
  turn.grant(granted)
  const { dispatch } = placement
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
    },
  })
}

/** The agent cannot take it now: tried last until it speaks of a change. */
export function decline(turn: Turn, agentId: AgentId, grant: Grant): void {
  const placement = turn.state.placements.get(grant.task_id)
  if (
    placement?.at !== 'offered' ||
    placement.agentId !== agentId ||
    placement.dispatch.fence !== grant.fence
  )
    return
  const agent = turn.state.agents.get(agentId)
  if (agent !== undefined) turn.touchAgent({ ...agent, quietUntilMs: turn.nowMs + QUIET_MS })
  turn.queue(placement, false)
}

export function started(turn: Turn, agentId: AgentId, grant: Grant): void {
  const placement = grantedTo(turn, agentId, grant)
  if (placement === null || placement.startByMs === null) return
  turn.touch({ ...placement, startByMs: null })
  const { dispatch, engineId, modelId, embeddedModel } = placement
  turn.order(`started:${dispatch.taskId}:${dispatch.fence}`, {
    type: 'job.started',
    jobId: dispatch.jobId,
    taskId: dispatch.taskId,
    fence: dispatch.fence,
    runner: { agentId, engineId, modelId, embeddedModel },
  })
}

export function extend(turn: Turn, agentId: AgentId, grants: readonly Grant[]): void {
  const leases: SignedLease[] = []
  const lost: Grant[] = []
  for (const grant of grants) {
    const placement = grantedTo(turn, agentId, grant)
    if (placement === null) {
      lost.push(grant)
      continue
    }
    const leaseUntilMs = turn.nowMs + LEASE_MS
    turn.touch({ ...placement, leaseUntilMs })
    leases.push({ ...grant, lease_until_ms: leaseUntilMs, outputPrefix: placement.dispatch.outputPrefix })
  }
  turn.effects.push({ type: 'send.leases', agentId, leases, lost })
}

type TaskProgress = Extract<AgentMessage, { type: 'task.progress' }>

export function progress(turn: Turn, agentId: AgentId, message: TaskProgress): void {
  const placement = grantedTo(turn, agentId, message)
  if (placement === null || message.n <= placement.lastN) return
  turn.touch({ ...placement, lastN: message.n })
  const { taskId, jobId, fence } = placement.dispatch
  const { n, progress, partial } = message
  turn.effects.push({ type: 'job.progress', jobId, taskId, fence, n, progress, partial })
}

/** The fence is over here; the Job decides what follows. */
export function lose(turn: Turn, placement: Granted, counted: boolean, reason: string): void {
  const { taskId, jobId, fence } = placement.dispatch
  turn.drop(taskId)
  turn.count('lease_expirations_total')
  turn.answered(`started:${taskId}:${fence}`)
  turn.order(`lost:${taskId}:${fence}`, { type: 'job.lost', jobId, taskId, fence, counted, reason })
}

export function grantedTo(turn: Turn, agentId: AgentId, grant: Grant): Granted | null {
  const placement = turn.state.placements.get(grant.task_id)
  const isTheirs =
    placement?.at === 'granted' && placement.agentId === agentId && placement.dispatch.fence === grant.fence
  return isTheirs ? placement : null
}

/** Leases, offers and starts that are over at this moment. */
export function expire(turn: Turn): void {
  for (const taskIds of [...turn.state.held.values()]) {
    for (const taskId of [...taskIds]) {
      const placement = turn.state.placements.get(taskId)
      if (placement?.at === 'offered' && placement.expiresAtMs <= turn.nowMs) expireOffer(turn, placement)
      if (placement?.at === 'granted') expireGrant(turn, placement)
    }
  }
}

function expireOffer(turn: Turn, placement: Extract<Placement, { at: 'offered' }>): void {
  const agent = turn.state.agents.get(placement.agentId)
  if (agent !== undefined) turn.touchAgent({ ...agent, quietUntilMs: turn.nowMs + QUIET_MS })
  turn.queue(placement, false)
}

function expireGrant(turn: Turn, placement: Granted): void {
  const { taskId, fence } = placement.dispatch
  const isLate = placement.startByMs !== null && placement.startByMs <= turn.nowMs
  if (placement.leaseUntilMs > turn.nowMs && !isLate) return
  const reason = isLate ? 'the agent accepted the task and did not start it' : 'the lease was not extended'
  turn.send(placement.agentId, { type: 'task.cancel', task_id: taskId, fence, reason })
  lose(turn, placement, !isLate, reason)
}
