import { OVER_MS } from '#core/registry/intervals.ts'
import { isTerminal } from '#protocol/job.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { aPrepareSummary, completed, failed, HANDED_BACK } from '../core/kit/builders.ts'
import type { AgentProcess, Run } from './agent-process.ts'
import { specOf } from './config.ts'
import type { EngineNews, ObjectName, SimEvent } from './event.ts'
import type { JobObject } from './job-object.ts'
import { lieOf } from './lies.ts'
import { agentIdOf, grantOf, taskOf } from './names.ts'
import type { RegistryObject } from './registry-object.ts'
import type { Socket } from './socket.ts'
import type { World } from './world.ts'

/** No call is under way for longer: until then the registry remembers which fences are over. */
const LATEST_MS = OVER_MS - 60_000

/** Lets one event happen; false when it cannot, and then nothing has changed. */
export function apply(world: World, event: SimEvent): boolean {
  switch (event.do) {
    case 'submit':
      return submit(world, event.job, event.shape)
    case 'cancel':
    case 'delete':
    case 'reader':
      return toJob(world.jobs.get(event.job), event)
    case 'deliver':
    case 'drop':
    case 'double':
      return toMessage(world, event)
    case 'frame':
      return event.to === 'registry' ? frameUp(world, event) : frameDown(world, event)
    case 'notice':
      return notice(world, world.socketOf(event.agent, event.socket))
    case 'time':
      if (world.mail.inFlight.some(({ sentAtMs }) => world.nowMs + event.ms - sentAtMs > LATEST_MS))
        return false
      world.nowMs += event.ms
      world.agentWatch.check()
      return true
    case 'alarm':
    case 'evict':
    case 'crash':
    case 'save fails':
    case 'outage':
      return toObject(objectOf(world, event.of), event)
    case 'deploy':
      return deploy(world)
    default:
      return toAgent(world, world.agents[event.agent - 1], event)
  }
}

function submit(world: World, number: number, shape: number): boolean {
  const job = world.jobOf(number)
  const spec = specOf(number, shape)
  if (job.isDeleted || spec === null) return false
  job.tell({ type: 'create', spec })
  return true
}

function toJob(
  job: JobObject | undefined,
  event: Extract<SimEvent, { do: 'cancel' | 'delete' | 'reader' }>,
): boolean {
  if (job === undefined || job.watch.job === null) return false
  if (event.do === 'reader') return event.what === 'comes' ? job.readers.come() : job.readers.go()
  if (event.do === 'cancel') {
    job.tell({ type: 'cancel' })
    return true
  }
  if (!isTerminal(job.watch.job.status)) return false
  return job.destroy()
}

function toMessage(world: World, event: Extract<SimEvent, { do: 'deliver' | 'drop' | 'double' }>): boolean {
  const { mail } = world
  const message = mail.find(event.message, event.nth)
  if (message === null) return false
  if (event.do === 'double') {
    const copy = message.copy?.()
    if (copy !== undefined) mail.send(copy)
    return copy !== undefined
  }
  if (event.do === 'drop' && message.lose === null) return false
  mail.take(message)
  if (event.do === 'drop') message.lose?.()
  else message.arrive(event.do === 'deliver' ? event.as : undefined)
  return true
}

type FrameEvent = Extract<SimEvent, { do: 'frame' }>

function frameUp(world: World, event: FrameEvent): boolean {
  const socket = world.socketOf(event.agent, event.socket)
  if (socket === null || !socket.hasNewsUp || world.registry.isOut) return false
  const frame = socket.up.shift()
  if (frame === undefined) return closedByAgent(world, socket)
  const { agent, sessionId, connectedAtMs } = socket
  world.registry.tell({
    type: 'agent.message',
    agentId: agentIdOf(agent),
    name: `agent-${agent}`,
    sessionId,
    connectedAtMs,
    message: frame.message,
  })
  return true
}

function closedByAgent(world: World, socket: Socket): boolean {
  const { agent, sessionId } = socket
  socket.isServerOpen = false
  world.registry.tell({ type: 'agent.disconnected', agentId: agentIdOf(agent), sessionId })
  return true
}

function frameDown(world: World, event: FrameEvent): boolean {
  const agent = world.agents[event.agent - 1]
  const socket = agent?.link?.socket
  if (agent === undefined || !agent.isRunning || socket === undefined || !socket.hasNewsDown) return false
  agent.receive()
  return true
}

function notice(world: World, socket: Socket | null): boolean {
  if (socket === null || !socket.isServerOpen || !socket.isUpDead || world.registry.isOut) return false
  return closedByAgent(world, socket)
}

function objectOf(world: World, name: ObjectName): RegistryObject | JobObject | undefined {
  return name === 'registry' ? world.registry : world.jobs.get(Number(name.slice(4)))
}

function toObject(
  object: RegistryObject | JobObject | undefined,
  event: Extract<SimEvent, { of: ObjectName }>,
): boolean {
  if (object === undefined) return false
  switch (event.do) {
    case 'alarm':
      if (!object.isAlarmDue) return false
      object.fireAlarm()
      return true
    case 'evict':
      if (!object.isLoaded) return false
      object.evict()
      return true
    case 'crash':
      object.crashBefore = event.before
      return true
    case 'save fails':
      object.isSaveFailing = true
      return true
    case 'outage':
      if (object.isOut === event.on) return false
      object.isOut = event.on
      return true
  }
}

function deploy(world: World): boolean {
  for (const socket of world.sockets) {
    socket.up.length = 0
    socket.down.length = 0
    socket.isServerOpen = false
  }
  for (const object of [world.registry, ...world.jobs.values()]) object.evict()
  world.count('deploys')
  return true
}

type AgentEvent = Exclude<Extract<SimEvent, { agent: number }>, { do: 'frame' | 'notice' }>

function toAgent(world: World, agent: AgentProcess | undefined, event: AgentEvent): boolean {
  if (agent === undefined) return false
  if (event.do === 'cordon' || event.do === 'dismiss' || event.do === 'revoke') {
    return operate(world, agent, event)
  }
  if (event.do === 'start') {
    if (agent.session !== null || agent.isRevoked) return false
    agent.start()
    return true
  }
  if (agent.session === null) return false
  if (event.do === 'kill') return kill(world, agent, event)
  if (event.do === 'go on') {
    const wasHung = agent.isHung
    agent.isHung = false
    return wasHung
  }
  return agent.isHung ? false : toRunning(world, agent, event)
}

type OperatorEvent = Extract<SimEvent, { do: 'cordon' | 'dismiss' | 'revoke' }>

function operate({ registry }: World, agent: AgentProcess, event: OperatorEvent): boolean {
  const { id: agentId } = agent
  const reason = 'maintenance'
  switch (event.do) {
    case 'cordon':
      registry.tell({ type: 'cordon', agentId, reason: event.on ? reason : null })
      return true
    case 'dismiss':
      registry.tell({ type: 'dismiss', agentId, reason })
      return true
    case 'revoke': {
      if (agent.isRevoked) return false
      agent.isRevoked = registry.revoke(agentId)
      return true
    }
  }
}

function toRunning(
  world: World,
  agent: AgentProcess,
  event: Exclude<AgentEvent, OperatorEvent | { do: 'start' | 'kill' | 'go on' }>,
): boolean {
  const { link } = agent
  switch (event.do) {
    case 'dial':
      if (link !== null || agent.isRevoked) return false
      agent.dial()
      return true
    case 'wake':
      if (agent.wakeMs === null || agent.wakeMs > world.nowMs) return false
      agent.step({ type: 'wake' })
      return true
    case 'beat':
      if (link === null || link.dueMs > world.nowMs) return false
      agent.beat()
      return true
    case 'cut':
      if (link === null) return false
      link.socket.cut(event.how)
      if (!link.socket.isAgentOpen) agent.loseLink()
      return true
    case 'hang':
      agent.isHung = true
      return true
    case 'drain':
      agent.step({ type: 'drain.requested', reason: 'update', limitMs: event.limitMs })
      return true
    case 'load model':
      agent.changeModel(event.loaded)
      return true
    case 'engine': {
      const run = agent.runs.get(grantOf(taskOf(event.task), event.fence))
      if (run === undefined) return false
      engineSays(agent, run, event.what, event.percent ?? 0)
      return true
    }
    case 'lie':
      if (link === null) return false
      agent.say(lieOf(agent, event))
      return true
  }
}

function kill(world: World, agent: AgentProcess, event: Extract<SimEvent, { do: 'kill' }>): boolean {
  const socket = agent.link?.socket
  if (socket !== undefined) {
    if (event.silent) socket.cut('silent')
    socket.isAgentOpen = false
  }
  agent.end()
  if (event.files === 'lost') agent.files.clear()
  world.count('agent crashes')
  return true
}

function engineSays(agent: AgentProcess, run: Run, what: EngineNews, percent: number): void {
  const { grant } = run
  if (what === 'report') {
    const partial = { revision: 1 + percent, start: 0, end: 1, text: 'words' }
    const report = { progress: { percent, message: null }, partial }
    agent.step({ type: 'task.reported', grant, report })
    return
  }
  agent.runs.delete(grantOf(grant.task_id, grant.fence))
  agent.step({ type: 'task.ended', grant, outcome: outcomeOf(run, what) })
}

function outcomeOf({ grant }: Run, what: Exclude<EngineNews, 'report'>): TaskOutcome {
  const good = completed(grant.task_id, grant.fence)
  switch (what) {
    case 'done':
      return good
    case 'two channels':
      return good.status === 'completed' && good.summary.stage === 'prepare'
        ? { ...good, summary: aPrepareSummary(2) }
        : good
    case 'retryable':
      return failed(true)
    case 'terminal':
      return failed(false)
    case 'handed back':
      return HANDED_BACK
    case 'wrong summary': {
      const merge = completed(taskOf('job1.merge'), 1)
      const summary = merge.status === 'completed' ? { summary: merge.summary } : {}
      return { ...good, ...summary }
    }
    case 'foreign artifact': {
      const foreign = completed(grant.task_id, grant.fence + 1)
      const artifacts = foreign.status === 'completed' ? { artifacts: foreign.artifacts } : {}
      return { ...good, ...artifacts }
    }
  }
}
