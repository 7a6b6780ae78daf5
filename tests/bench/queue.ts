import type { Dispatch } from '#core/dispatch.ts'
import type { RegistryInput } from '#core/registry/input.ts'
import { emptyRegistry } from '#core/registry/state.ts'
import { registryMachine } from '#core/registry/step.ts'
import { DEFAULTS } from '#core/settings.ts'
import {
  A_RUN,
  aDispatch,
  agentId,
  aHello,
  anEngine,
  jobId,
  requirementsOf,
  T0,
  taskId,
} from '../core/kit/builders.ts'
import { seeded } from '../kit/seeded.ts'
import { type Bench, median, type Report } from './bench.ts'

const SIZES = [1_000, 10_000, 100_000, 1_000_000]
const CLASSES = 50
const KEYS = 20
/** Operations that are measured at each size, so many at a time: one alone is too short for the clock. */
const MEASURED = 2_000
const AT_ONCE = 20
const WARM_UP = 4_000
const RATIO_LIMIT = 2

/** Enqueueing a task, and finding the next one when a slot is free, with so many tasks waiting, beside a tenth of them. */
export const bench: Bench = {
  name: 'queue',
  async run(report) {
    let tenth: Pool | null = null
    for (const size of SIZES) {
      const pool: Pool = new Pool(size)
      measure(report, size, 'enqueue', [pool, tenth], (one) => one.push())
      measure(report, size, 'next task when a slot is free', [pool, tenth], (one) => one.take())
      tenth = pool
    }
  },
}

/** A registry in which so many tasks wait for the one slot that there is. */
class Pool {
  readonly #machine = registryMachine({ settings: DEFAULTS, catalog: { engines: [], models: [] } })
  readonly #state = emptyRegistry()
  readonly #random = seeded(1)
  readonly #base = aDispatch({ stage: 'transcribe' })
  readonly #requirements = Array.from({ length: CLASSES }, (_, index) =>
    requirementsOf({
      language: `${String.fromCharCode(97 + (index % 25))}${String.fromCharCode(97 + Math.floor(index / 25))}`,
    }),
  )
  #nowMs = T0
  #count = 0

  constructor(size: number) {
    const hello = aHello({ slots: 1, engines: [anEngine({ id: 'any', stages: ['transcribe'], slots: 1 })] })
    this.#says(hello)
    for (let index = 0; index < size; index++) this.push()
    // Grow what grows by doubling, before anything is measured.
    for (let index = 0; index < WARM_UP; index++) {
      this.push()
      this.take()
    }
  }

  push(): void {
    const number = ++this.#count
    const job = jobId(number)
    const requirements = this.#requirements[number % CLASSES] ?? this.#base.requirements
    const dispatch: Dispatch = {
      ...this.#base,
      taskId: taskId('transcribe', job),
      jobId: job,
      requirements,
      queuedAtMs: this.#nowMs,
      jobCreatedAtMs: this.#nowMs,
      share: `key-${Math.floor(this.#random() * KEYS)}`,
      priority: this.#random() < 0.9 ? 'normal' : 'low',
      workSeconds: 2 ** (this.#random() * 13),
    }
    this.#step({ type: 'enqueue', dispatch })
  }

  /** The running task ends; the next one is offered, taken and begun. */
  take(): void {
    const [running] = this.#state.held.get(agentId()) ?? []
    if (running === undefined) throw new Error('expected a task to be offered')
    const grant = { task_id: running, fence: 1 }
    this.#says({ type: 'task.accept', ...grant })
    this.#step({
      type: 'result.answered',
      agentId: agentId(),
      taskId: running,
      fence: 1,
      ...A_RUN,
      answer: 'accepted',
    })
  }

  #says(message: Extract<RegistryInput, { type: 'agent.message' }>['message']): void {
    const from = { agentId: agentId(), name: 'box', sessionId: 's', connectedAtMs: T0 }
    this.#step({ type: 'agent.message', ...from, message })
  }

  #step(input: RegistryInput): void {
    this.#nowMs += 1
    this.#machine.step(this.#state, input, this.#nowMs)
    this.#machine.nextWakeMs(this.#state)
  }
}

/** Both pools in turn, so that whatever else the machine does meets both. */
function measure(
  report: Report,
  size: number,
  figure: string,
  [pool, tenth]: readonly [Pool, Pool | null],
  operation: (pool: Pool) => void,
): void {
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let done = 0; done < MEASURED; done += AT_ONCE) {
    ours.push(timed(() => operation(pool)))
    if (tenth !== null) theirs.push(timed(() => operation(tenth)))
  }
  const common = { bench: 'queue', case: `${size.toLocaleString('en')} tasks wait` }
  report({
    ...common,
    figure: `${figure}, median`,
    value: median(ours),
    unit: 'µs',
    target: null,
    ok: null,
  })
  if (tenth === null) return
  const value = median(ours) / median(theirs)
  const target = { target: `<= ${RATIO_LIMIT}`, ok: value <= RATIO_LIMIT }
  report({ ...common, figure: `${figure}, over a tenth of the tasks`, value, unit: 'x', ...target })
}

/** Microseconds an operation. */
function timed(operation: () => void): number {
  const startMs = performance.now()
  for (let index = 0; index < AT_ONCE; index++) operation()
  return ((performance.now() - startMs) * 1_000) / AT_ONCE
}
