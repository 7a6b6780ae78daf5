import { OVER_MS } from '#core/registry/intervals.ts'
import { TenantId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import type { OrderTarget } from '#protocol/model-order.ts'
import { toAgent } from './apply-agent.ts'
import { LABEL, specOf } from './config.ts'
import type { ObjectName, SimEvent } from './event.ts'
import type { JobObject } from './job-object.ts'
import { MODELS } from './models.ts'
import { agentIdOf, operationIdOf } from './names.ts'
import { INTERNAL_ERROR, type RegistryObject } from './registry-object.ts'
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
      world.registry.watch.operations.check()
      return true
    case 'alarm':
    case 'evict':
    case 'crash':
    case 'save fails':
    case 'outage':
      return toObject(objectOf(world, event.of), event)
    case 'deploy':
      return deploy(world)
    case 'begin':
      return begin(world, event)
    case 'cancel operation':
      world.registry.tell({ type: 'operation.cancel', operationId: operationIdOf(event.operation) })
      return true
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
  job.destroy()
  return true
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
  const { isSaveFailing } = world.registry
  const told = world.registry.tell({
    type: 'agent.message',
    agentId: agentIdOf(agent),
    name: `agent-${agent}`,
    sessionId,
    connectedAtMs,
    message: frame.message,
  })
  // As objects/registry.ts does with a frame that it could not handle.
  if (!told.ok && isSaveFailing) socket.close(INTERNAL_ERROR)
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

/** An operator may name all agents that have a credential. */
function begin({ registry, agents }: World, event: Extract<SimEvent, { do: 'begin' }>): boolean {
  const { operation, action, target } = event
  if (registry.isOut) return false
  const own = agents.filter(({ isRevoked }) => !isRevoked).map(({ id }) => id)
  registry.begin(
    {
      id: operationIdOf(operation),
      tenantId: TenantId.parse('default'),
      action,
      modelId: MODELS[event.model] ?? MODELS[0],
      entry: null,
      keepAliveSeconds: null,
    },
    targetOf(target),
    own,
  )
  return true
}

function targetOf(target: Extract<SimEvent, { do: 'begin' }>['target']): OrderTarget {
  if (target === 'fleet') return { kind: 'fleet' }
  return target === 'label' ? { kind: 'label', label: LABEL } : { kind: 'agent', agent_id: agentIdOf(target) }
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
