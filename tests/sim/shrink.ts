import type { SimEvent } from './event.ts'
import { grantOf, pullingJob } from './names.ts'
import { PRODUCT, type Product } from './product.ts'
import { type Execution, replay } from './simulation.ts'

/** So many replays at most: a list that is nearly short is better than none. */
const MOST_REPLAYS = 6_000
/** A list with more spans of time is mostly waiting. */
const MANY_TIMES = 6
/** Pairs are many. */
const PAIRS_BELOW = 64

/** The shortest execution found that breaks the same rule: whole jobs and agents go first, then kinds, then pieces. */
export function shrink(execution: Execution, rule: string, product: Product = PRODUCT): Execution {
  const search = new Search(execution, rule, product)
  search.withoutJobs()
  search.withoutAgents()
  search.withoutKinds()
  search.withoutPieces()
  search.joinTimes()
  search.withSimplerEvents()
  search.withoutRounds()
  search.withoutPieces()
  search.leaveToTail()
  while (search.withoutPairs()) search.withoutPieces()
  search.withoutSpareAgents()
  return search.best
}

class Search {
  best: Execution
  readonly #rule: string
  readonly #product: Product
  /** Whether the rule breaks only after the events: running the tail for nothing would cost most of the time. */
  #needsTail: boolean
  #replays = 0

  constructor(execution: Execution, rule: string, product: Product) {
    this.best = execution
    this.#rule = rule
    this.#product = product
    this.#needsTail = replay(execution, product, false).violation === null
    this.#try(execution.events)
  }

  withoutJobs(): void {
    const jobs = new Set(this.best.events.flatMap(jobsIn))
    for (const job of jobs) this.#try(this.best.events.filter((event) => !jobsIn(event).includes(job)))
  }

  withoutAgents(): void {
    for (const agent of this.best.config.agents.keys()) {
      this.#try(this.best.events.filter((event) => !('agent' in event) || event.agent !== agent + 1))
    }
  }

  withoutKinds(): void {
    const kinds = new Set(this.best.events.map(kindOf))
    for (const kind of kinds) this.#try(this.best.events.filter((event) => kindOf(event) !== kind))
  }

  /** Delta debugging: pieces of half the list, of a quarter, and so on; the single events last, until none can go. */
  withoutPieces(): void {
    let size = Math.max(1, this.best.events.length >> 1)
    for (;;) {
      let isShorter = false
      for (let at = this.best.events.length - size; at > -size && this.best.events.length > 0; at -= size) {
        const { events } = this.best
        const from = Math.max(0, at)
        if (from >= events.length) continue
        if (this.#try([...events.slice(0, from), ...events.slice(from + size)])) isShorter = true
      }
      this.#try(joined(this.best.events))
      if (size === 1 && !isShorter) return
      if (size > 1) size = Math.ceil(size / 2)
      if (this.#replays >= MOST_REPLAYS) return
    }
  }

  /** Two events that go only together, such as a message twice; tried where the list is short. */
  withoutPairs(): boolean {
    const { length } = this.best.events
    if (length > PAIRS_BELOW) return false
    for (let first = 0; first < this.best.events.length; first++) {
      for (let second = first + 1; second < this.best.events.length; second++) {
        this.#try(this.best.events.filter((_event, at) => at !== first && at !== second))
      }
    }
    return this.best.events.length < length
  }

  /** A plain job instead of a rich one, an eviction instead of a crash; the bad news of an engine at an earlier run. */
  withSimplerEvents(): void {
    const news = new Set(this.best.events.flatMap((event) => (event.do === 'engine' ? [event.what] : [])))
    for (let at = 0; at < this.best.events.length; at++) {
      const event = this.best.events[at]
      if (event?.do === 'submit' && event.shape !== 0) this.#put(at, { ...event, shape: 0 })
      if (event?.do === 'crash') this.#put(at, { do: 'evict', of: event.of })
      if (event?.do !== 'engine') continue
      for (const what of news) if (what !== event.what && what !== 'report') this.#put(at, { ...event, what })
    }
  }

  /** A round of a task, from its enqueue to its end, and the later ones in its place. */
  withoutRounds(): void {
    for (let isShorter = true; isShorter; ) {
      const grants = new Set(this.best.events.flatMap(grantIn))
      isShorter = [...grants].some((grant) => {
        const { length } = this.best.events
        return this.#try(withoutRound(this.best.events, grant)) && this.best.events.length < length
      })
    }
  }

  /** Of a list that is mostly waiting, its beginning: in the tail time passes without events. */
  leaveToTail(): void {
    const { events } = this.best
    if (this.#needsTail || events.filter((event) => event.do === 'time').length <= MANY_TIMES) return
    this.#needsTail = true
    for (let length = 1; length < events.length; length++) {
      if (!this.#try(events.slice(0, length))) continue
      this.withoutPieces()
      return
    }
    this.#needsTail = false
  }

  #put(at: number, event: SimEvent): void {
    this.#try(this.best.events.with(at, event))
  }

  joinTimes(): void {
    this.#try(joined(this.best.events))
    for (let at = 0; at + 1 < this.best.events.length; at++) {
      const { events } = this.best
      const [one, other] = [events[at], events[at + 1]]
      if (one?.do !== 'time' || other?.do !== 'time') continue
      const joined: SimEvent = { do: 'time', ms: one.ms + other.ms }
      if (this.#try([...events.slice(0, at), joined, ...events.slice(at + 2)])) at--
    }
  }

  withoutSpareAgents(): void {
    for (let count = 1; count < this.best.config.agents.length; count++) {
      const config = { ...this.best.config, agents: this.best.config.agents.slice(0, count) }
      if (this.#try(this.best.events, config)) return
    }
  }

  /** Takes the list when it breaks the same rule, without the events that then did not happen. */
  #try(events: readonly SimEvent[], config = this.best.config): boolean {
    if (this.#replays++ >= MOST_REPLAYS) return false
    const outcome = replay({ config, events }, this.#product, this.#needsTail)
    if (outcome.violation?.rule !== this.#rule) return false
    this.best = { config, events: outcome.events }
    return true
  }
}

function joined(events: readonly SimEvent[]): SimEvent[] {
  const list: SimEvent[] = []
  for (const event of events) {
    const last = list.at(-1)
    if (event.do === 'time' && last?.do === 'time')
      list[list.length - 1] = { do: 'time', ms: last.ms + event.ms }
    else list.push(event)
  }
  return list
}

/** `job3.prepare#1`, where an event names one. */
function grantIn(event: SimEvent): string[] {
  if ('task' in event) return [grantOf(event.task, event.fence)]
  return 'message' in event ? (/job\d+\.\S+#\d+/.exec(event.message)?.slice(0, 1) ?? []) : []
}

function withoutRound(events: readonly SimEvent[], grant: string): SimEvent[] {
  const [task = '', round] = grant.split('#')
  const fence = Number(round)
  const earlier = (text: string) => {
    const [name, number] = text.split('#')
    return name === task && Number(number) > fence ? grantOf(task, Number(number) - 1) : text
  }
  return events.flatMap((event): SimEvent[] => {
    if (grantIn(event)[0] === grant) return []
    if ('message' in event) {
      return [{ ...event, message: event.message.replace(/job\d+\.\S+#\d+/, earlier) }]
    }
    if (!('task' in event) || event.task !== task || event.fence < fence) return [event]
    return [{ ...event, fence: event.fence - 1 }]
  })
}

function kindOf(event: SimEvent): string {
  if (event.do === 'engine' || event.do === 'order') return `${event.do} ${event.what}`
  return 'message' in event ? `${event.do} ${event.message.split(' ')[0]}` : event.do
}

function jobOfPull(operation: number): number[] {
  const job = pullingJob(operation)
  return job === null ? [] : [job]
}

/** The jobs that an event names, by `job 3` or within `job3.prepare#1`. */
function jobsIn(event: SimEvent): number[] {
  if ('job' in event) return [event.job]
  if ('operation' in event) return jobOfPull(event.operation)
  const text =
    'message' in event ? event.message : 'task' in event ? event.task : 'of' in event ? event.of : ''
  const number = /job ?(\d+)/.exec(text)?.[1]
  return number === undefined ? [] : [Number(number)]
}
