import { jobIdOf } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import { isOver } from './agent-orders.ts'
import type { Run } from './agent-process.ts'
import { apply } from './apply.ts'
import type { SimEvent } from './event.ts'
import { grantOf, numberOf, shortOf } from './names.ts'
import type { World } from './world.ts'

/** After the faults everything has this long to become quiet: retries, backoffs and leases have run out by then. */
const PATIENCE_MS = 5_400_000
/** A run of an engine takes this long. */
const RUN_MS = 700
/** And so long an order about a model. */
const ORDER_MS = 1_500
/** A task that waits for its registry is known there after this: a Job that hears nothing asks after 60 s. */
const KNOWN_MS = 150_000

/** Told of each event just before it happens. */
export type Listener = (world: World, event: SimEvent) => void

/**
 * The peaceful tail: no faults, everything arrives in its order, timers ring in time, agents come back and their engines
 * do their work. It needs no chance, so it is no part of the list of events.
 */
export function tail(world: World, onEvent: Listener = () => {}): void {
  const endMs = world.nowMs + PATIENCE_MS
  const peaceMs = world.nowMs
  recover(world)
  while (world.violation === null) {
    const event = next(world)
    if (event !== null) {
      onEvent(world, event)
      if (!apply(world, event)) throw new Error(`cannot happen: ${JSON.stringify(event)}`)
      continue
    }
    if (isQuiet(world)) {
      checkEnd(world)
      return
    }
    checkKnown(world, peaceMs)
    checkOver(world, peaceMs)
    checkOrders(world, peaceMs)
    const wakeMs = nextTimerMs(world)
    if (wakeMs === null || wakeMs > endMs) {
      world.violated('I8', `it does not become quiet: ${unrest(world).join('; ')}`)
      return
    }
    const time: SimEvent = { do: 'time', ms: Math.max(1, wakeMs - world.nowMs) }
    onEvent(world, time)
    apply(world, time)
  }
}

function recover(world: World): void {
  for (const object of [world.registry, ...world.jobs.values()]) {
    object.crashBefore = null
    object.isSaveFailing = false
    object.isOut = false
    // What is not in memory could be waiting for something unseen.
    object.wakeUp()
  }
  for (const agent of world.agents) {
    agent.isHung = false
    apply(world, { do: 'cordon', agent: agent.number, on: false })
  }
}

function next(world: World): SimEvent | null {
  const [message] = world.mail.inFlight
  if (message !== undefined) return { do: 'deliver', message: message.name }
  for (const object of [world.registry, ...world.jobs.values()]) {
    if (object.isAlarmDue) return { do: 'alarm', of: object.name }
  }
  return nextFrame(world) ?? nextOfAgents(world)
}

function nextFrame(world: World): SimEvent | null {
  const seen = new Map<number, number>()
  for (const socket of world.sockets.toReversed()) {
    const nth = seen.get(socket.agent) ?? 0
    seen.set(socket.agent, nth + 1)
    if (socket.hasNewsUp)
      return { do: 'frame', agent: socket.agent, to: 'registry', ...(nth > 0 ? { socket: nth } : {}) }
    const agent = world.agents[socket.agent - 1]
    if (agent?.link?.socket === socket && socket.hasNewsDown) {
      return { do: 'frame', agent: socket.agent, to: 'agent' }
    }
  }
  return null
}

function nextOfAgents(world: World): SimEvent | null {
  const { nowMs } = world
  for (const { number: agent, session, link, wakeMs, runs, isRevoked, orders } of world.agents) {
    if (isRevoked) continue
    if (session === null) return { do: 'start', agent }
    if (link === null) return { do: 'dial', agent }
    if (wakeMs !== null && wakeMs <= nowMs) return { do: 'wake', agent }
    if (link.dueMs <= nowMs) return { do: 'beat', agent }
    for (const run of runs.values()) {
      const { grant, startedMs } = run
      if (startedMs + RUN_MS > nowMs || !ends(world, run)) continue
      return { do: 'engine', agent, task: shortOf(grant.task_id), fence: grant.fence, what: 'done' }
    }
    for (const known of orders.known.values()) {
      if (isOver(known) || known.begunMs + ORDER_MS > nowMs) continue
      return { do: 'order', agent, operation: numberOf(known.order.operation_id), what: 'completed' }
    }
  }
  return null
}

/** The run of a job that is over takes for ever, unless it is stopped; not one whose result somebody made up. */
function ends(world: World, { grant, isAborting }: Run): boolean {
  if (isAborting || world.accepted.has(grantOf(shortOf(grant.task_id), grant.fence))) return true
  const job = world.jobs.get(numberOf(jobIdOf(grant.task_id)))?.watch.job ?? null
  return job !== null && !isTerminal(job.status)
}

function nextTimerMs(world: World): number | null {
  let first = Number.POSITIVE_INFINITY
  for (const { wakeMs } of [world.registry, ...world.jobs.values()]) first = Math.min(first, wakeMs ?? first)
  for (const { wakeMs, link, runs, isRevoked, orders } of world.agents) {
    if (isRevoked) continue
    first = Math.min(first, wakeMs ?? first, Math.ceil(link?.dueMs ?? first))
    for (const run of runs.values()) if (ends(world, run)) first = Math.min(first, run.startedMs + RUN_MS)
    for (const known of orders.known.values()) {
      if (!isOver(known)) first = Math.min(first, known.begunMs + ORDER_MS)
    }
  }
  return Number.isFinite(first) ? first : null
}

function isQuiet(world: World): boolean {
  return unrest(world).length === 0
}

/** What is not over yet, in words. */
function unrest(world: World): string[] {
  const open: string[] = []
  for (const { name, watch, state } of world.jobs.values()) {
    if (watch.job !== null && !isTerminal(watch.job.status)) open.push(`${name} is ${watch.job.status}`)
    if ((state?.outbox.size ?? 0) > 0) open.push(`${name} waits for ${[...(state?.outbox.keys() ?? [])]}`)
  }
  const registry = world.registry.state
  for (const { dispatch, at } of registry?.placements.values() ?? []) {
    open.push(`${shortOf(dispatch.taskId)} is ${at}`)
  }
  for (const id of registry?.outbox.keys() ?? []) open.push(`the registry waits for ${id}`)
  for (const { number, id, runs, session, files, isRevoked } of world.agents) {
    if (isRevoked) continue
    const orders = world.registry.watch.operations.openOf(id)
    if (orders.size > 0) open.push(`agent ${number} has orders ${[...orders].map(numberOf)}`)
    if (runs.size > 0) open.push(`agent ${number} runs ${[...runs.keys()]}`)
    if ((session?.tasks.size ?? 0) > 0) open.push(`agent ${number} has ${[...(session?.tasks.keys() ?? [])]}`)
    if ((session?.outbox.size ?? 0) > 0) open.push(`agent ${number} has results without an answer`)
    if (files.size > (session?.outbox.size ?? 0)) open.push(`agent ${number} has forgotten files`)
  }
  return open
}

/** A ready task that was handed over long ago is known to the registry with its fence. */
function checkKnown(world: World, peaceMs: number): void {
  const registry = world.registry.state
  if (registry === null) return
  for (const { number, id, link } of world.agents) {
    const isQuiet = (registry.agents.get(id)?.quietUntilMs ?? 0) > 0 && registry.queues.size > 0
    if (!isQuiet || link?.socket.isWhole !== true || world.nowMs - peaceMs <= KNOWN_MS) continue
    world.violated('I5', `agent ${number} is there, and is left alone since it did not take an offer`)
  }
  for (const { name, watch } of world.jobs.values()) {
    if (watch.job === null || isTerminal(watch.job.status)) continue
    for (const { plan, status, retryAtMs, readyAtMs, fence } of watch.job.tasks.values()) {
      if (status !== 'ready' || retryAtMs !== null || plan.stage === 'merge') continue
      const sinceMs = Math.max(peaceMs, readyAtMs ?? 0)
      if (world.nowMs - sinceMs <= KNOWN_MS) continue
      if (registry.placements.get(plan.id)?.dispatch.fence === fence) continue
      world.violated('I5', `${name}: ${shortOf(plan.id)} is ready, and the registry does not know it`)
    }
  }
}

/** Nobody runs what is over, once there was time to be told. */
function checkOver(world: World, peaceMs: number): void {
  for (const { number, runs, isRevoked } of world.agents) {
    for (const run of runs.values()) {
      if (isRevoked || ends(world, run) || world.nowMs - Math.max(peaceMs, run.startedMs) <= KNOWN_MS)
        continue
      const grant = grantOf(shortOf(run.grant.task_id), run.grant.fence)
      world.violated('I9', `agent ${number} still runs ${grant}, and its job is over`)
    }
  }
}

/** Who is there does what it was ordered, and is heard. */
function checkOrders(world: World, peaceMs: number): void {
  if (world.nowMs - peaceMs <= KNOWN_MS) return
  for (const { number, id, orders, isRevoked } of world.agents) {
    for (const operationId of world.registry.watch.operations.openOf(id)) {
      const known = orders.known.get(operationId)
      const isYoung = known !== undefined && world.nowMs - known.begunMs <= KNOWN_MS
      if (isRevoked || isYoung) continue
      world.violated('I13', `agent ${number} is there, and operation ${numberOf(operationId)} is open still`)
    }
  }
}

/** The index says what the jobs say; who was not cancelled got an end by work. */
function checkEnd(world: World): void {
  for (const { name, id, watch, isDeleted } of world.jobs.values()) {
    if (watch.job === null || isDeleted) continue
    const row = world.index.get(id)?.summary.status
    if (row !== watch.job.status) world.violated('I8', `${name} is ${watch.job.status}, its row says ${row}`)
  }
}
