import type { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import { apply } from './apply.ts'
import { JOB_SHAPES } from './config.ts'
import type { Cut, EngineNews, Lie, OrderNews, SimEvent } from './event.ts'
import { MODELS } from './models.ts'
import { grantOf, numberOf, shortOf } from './names.ts'
import { PRODUCT, type Product } from './product.ts'
import type { Execution } from './simulation.ts'
import { tail } from './tail.ts'
import { World } from './world.ts'

/** One event in words, with what it is about in the world just before it happens. */
function tell(world: World, event: SimEvent): string {
  switch (event.do) {
    case 'submit':
      return `job ${event.job} is submitted (${JSON.stringify(JOB_SHAPES[event.shape])})`
    case 'cancel':
      return `job ${event.job} is cancelled`
    case 'delete':
      return `job ${event.job} is deleted`
    case 'reader':
      return `a reader of job ${event.job} ${event.what}`
    case 'deliver':
      return `arrives: ${event.message}${nth(event.nth)}${event.as === undefined ? '' : ` (it failed, ${event.as})`}`
    case 'drop':
      return `is lost: ${event.message}${nth(event.nth)}`
    case 'double':
      return `is sent twice: ${event.message}${nth(event.nth)}`
    case 'frame':
      return frame(world, event)
    case 'cut':
      return `the socket of agent ${event.agent} ${CUT_WORDS[event.how]}`
    case 'notice':
      return `the platform finds a socket of agent ${event.agent} dead`
    case 'time':
      return `${event.ms} ms pass`
    case 'alarm':
      return `the alarm of ${event.of} rings`
    case 'evict':
      return `${event.of} leaves memory`
    case 'crash':
      return `${event.of} will crash in its next turn, before effect ${event.before + 1}`
    case 'save fails':
      return `the next save of ${event.of} will fail`
    case 'outage':
      return `${event.of} is ${event.on ? 'out of reach' : 'back'}`
    case 'deploy':
      return 'a deploy: every object leaves memory, every socket breaks'
    case 'start':
      return `agent ${event.agent} starts`
    case 'go on':
      return `agent ${event.agent} goes on`
    case 'dial':
      return `agent ${event.agent} connects and says hello`
    case 'wake':
      return `agent ${event.agent}: a timer`
    case 'beat':
      return `agent ${event.agent}: heartbeat`
    case 'hang':
      return `agent ${event.agent} hangs`
    case 'kill': {
      const files = event.files === 'kept' ? '' : ', its files are lost'
      return `agent ${event.agent} dies${event.silent ? ' without a word' : ''}${files}`
    }
    case 'drain':
      return `agent ${event.agent} drains, for at most ${event.limitMs} ms`
    case 'cordon':
      return `agent ${event.agent} is taken ${event.on ? 'out of service' : 'back into service'}`
    case 'dismiss':
      return `agent ${event.agent} is asked to leave`
    case 'revoke':
      return `the credential of agent ${event.agent} is revoked`
    case 'load model':
      return `agent ${event.agent} has its model ${event.loaded ? 'loaded' : 'no longer loaded'}`
    case 'engine': {
      const news = ENGINE_WORDS[event.what].replace('%', `${event.percent ?? 0} %`)
      return `agent ${event.agent}: the engine ${news} (${grantOf(event.task, event.fence)})`
    }
    case 'begin': {
      const target = typeof event.target === 'number' ? `agent ${event.target}` : `the ${event.target}`
      return `the operator: ${event.action} ${MODELS[event.model]} on ${target} (operation ${event.operation})`
    }
    case 'cancel operation':
      return `the operator: cancels operation ${event.operation}`
    case 'order':
      return `agent ${event.agent}: ${ORDER_WORDS[event.what]} (operation ${event.operation})`
    case 'lie of order':
      return `agent ${event.agent} lies: ${event.state}, of ${MODELS[event.model]} in operation ${event.operation}`
    case 'lie':
      return `agent ${event.agent} lies: ${LIE_WORDS[event.lie]} ${grantOf(event.task, event.fence)}`
  }
}

/** What the tail did last is told, not all of it: it may take hours of its time. */
const LAST_OF_TAIL = 30

/** An execution told: one event a line, then what came of it. */
export function story({ config, events }: Execution, product: Product = PRODUCT): readonly string[] {
  const world = new World(config, product)
  const beganMs = world.nowMs
  const line = (event: SimEvent) => `${String(world.nowMs - beganMs).padStart(9)} ms  ${tell(world, event)}`
  const lines: string[] = []
  for (const event of events) {
    lines.push(line(event))
    apply(world, event)
  }
  const peaceful: string[] = []
  if (world.violation === null) tail(world, (_world, event) => peaceful.push(line(event)))
  if (peaceful.length > 0) {
    const more = Math.max(0, peaceful.length - LAST_OF_TAIL)
    lines.push(`  then the faults end${more > 0 ? `, and after ${more} events` : ''}:`)
    lines.push(...peaceful.slice(-LAST_OF_TAIL))
  }
  const { violation } = world
  return [...lines, violation === null ? 'all rules held' : `broken: [${violation.rule}] ${violation.text}`]
}

const CUT_WORDS: Readonly<Record<Cut, string>> = {
  both: 'breaks, with what was under way',
  agent: 'is given up by the agent',
  up: 'is dead towards the registry',
  down: 'is dead towards the agent',
  silent: 'is dead, and nobody knows',
}

const ENGINE_WORDS: Readonly<Record<EngineNews, string>> = {
  report: 'reports %',
  done: 'is done',
  'two channels': 'is done, and found two channels',
  retryable: 'fails, to be tried again',
  terminal: 'fails for good',
  'handed back': 'hands the task back',
  'wrong summary': 'is done, with the summary of another stage',
  'foreign artifact': 'is done, with an artifact outside its prefix',
}

const ORDER_WORDS: Readonly<Record<OrderNews, string>> = {
  pulling: 'the model is being pulled',
  verifying: 'the model is being verified',
  loading: 'the model is being loaded',
  completed: 'the order is done',
  failed: 'the order fails',
  again: 'it says again how far it is',
}

const LIE_WORDS: Readonly<Record<Lie, string>> = {
  result: 'a result of',
  failure: 'a failure of',
  progress: 'progress of',
  start: 'it started',
  accept: 'it accepts',
  extend: 'it extends its lease of',
  hello: 'a second hello, in which it runs',
}

function nth(count: number | undefined): string {
  return count === undefined ? '' : ` (number ${count + 1} of these)`
}

function frame(world: World, event: Extract<SimEvent, { do: 'frame' }>): string {
  const socket = world.socketOf(event.agent, event.socket)
  const [next] = (event.to === 'registry' ? socket?.up : socket?.down) ?? []
  const old = event.socket === undefined ? '' : `, over an older socket (${event.socket})`
  const way = event.to === 'registry' ? `agent ${event.agent} → registry` : `registry → agent ${event.agent}`
  return `${way}: ${next === undefined ? 'the socket closed' : messageWords(next.message)}${old}`
}

function messageWords(message: AgentMessage | ServerMessage): string {
  if ('task_id' in message) return `${message.type} ${grantOf(shortOf(message.task_id), message.fence)}`
  if ('operation_id' in message) {
    const how = message.type === 'model.progress' ? `${message.progress.state} ` : ''
    return `${message.type} ${how}of operation ${numberOf(message.operation_id)}`
  }
  const grants = [
    ...('running' in message ? message.running : []),
    ...('resume' in message ? message.resume : []),
    ...('leases' in message ? message.leases : []),
    ...('lost' in message ? message.lost : []),
  ].map(({ task_id, fence }) => grantOf(shortOf(task_id), fence))
  return [message.type, ...grants].join(' ')
}
