import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Fleet } from '#tests/e2e/kit/fleet.ts'
import { sample } from '#tests/e2e/kit/installation.ts'
import type { Server, Variables } from '#tests/e2e/kit/server.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { wordErrorRate } from '#tests/kit/word-error-rate.ts'
import { Faults } from './faults.ts'
import { inSeconds, type Report } from './report.ts'
import {
  accepted,
  type Ending,
  ending,
  type Order,
  patientClient,
  patiently,
  REAL_POOL,
  realOrder,
  scriptedOrder,
  spoken,
} from './storm-jobs.ts'

export interface StormOptions {
  readonly seed: number
  readonly jobs: number
  readonly minutes: number
}

/** Shorter than the defaults, so that much happens in a minute; retries enough for whoever is struck often. */
const SETTINGS: Variables = {
  DALSTON_HEARTBEAT_SECONDS: '1',
  DALSTON_SUSPECT_SECONDS: '4',
  DALSTON_OFFLINE_SECONDS: '60',
  DALSTON_LEASE_SECONDS: '6',
  DALSTON_LEASE_EXTEND_SECONDS: '1.5',
  DALSTON_OFFER_SECONDS: '2',
  DALSTON_START_SECONDS: '5',
  DALSTON_RESULT_ACK_SECONDS: '2',
  DALSTON_INQUIRY_SECONDS: '10',
  DALSTON_RETRY_DELAY_SECONDS: '0.2',
  DALSTON_MAX_RETRIES: '10',
}
const SAMPLES = ['call', 'dialogue', 'dictation'] as const
/** One in so many jobs is real speech. */
const REAL_SHARE = 10
/** After the last fault, everything must have ended by then. */
const CALM_MS = 180_000
const ECHO_LIST = fileURLToPath(new URL('echo-engines.ts', import.meta.url))

/** Many jobs at once while processes die: every accepted job ends once, with its own words, and nothing stays behind. */
export async function storm(options: StormOptions, report: Report): Promise<void> {
  const fleet = await Fleet.start(SETTINGS)
  try {
    const boxes = [
      ...(await Promise.all(
        ['one', 'two', 'three', 'four', 'five', 'six'].map((name) =>
          fleet.box(name, { engines: { listPath: ECHO_LIST } }),
        ),
      )),
      ...(await Promise.all(
        ['real-one', 'real-two'].map((name) => fleet.box(name, { engines: 'built-in', pool: REAL_POOL })),
      )),
    ]
    const reals = await undisturbed(fleet.server, report)
    report.note(`storm with seed ${options.seed}: ${options.jobs} jobs at once for ${options.minutes} min`)
    const untilMs = performance.now() + options.minutes * 60_000
    const faults = new Faults({
      server: fleet.server,
      boxes,
      random: seeded(options.seed),
      note: (text) => report.note(text),
    })
    const crowd = new Crowd(fleet.server, reals, seeded(options.seed + 1), report)
    const raging = faults.rage(untilMs)
    const working = crowd.work(options.jobs, untilMs)
    await raging
    report.note('calm')
    const calmMs = performance.now()
    const isOver = await Promise.race([working.then(() => true), sleep(CALM_MS, false, { ref: false })])
    report.promise(
      'all jobs ended after the storm',
      inSeconds(performance.now() - calmMs),
      '<= 180 s',
      isOver,
    )
    for (const [kind, count] of faults.counts) report.figure(`kill -9: ${kind}`, count)
    await crowd.judge()
    await judgeFleet(fleet.server, report)
  } finally {
    await fleet.stop()
  }
}

/** What the built-in engines make of each sample when nobody disturbs them, which is near the truth. */
async function undisturbed(server: Server, report: Report): Promise<Order[]> {
  const client = patientClient(server)
  const orders = await Promise.all(
    SAMPLES.map(async (name) => {
      const order = realOrder(name, '')
      const { id } = await client.submit(order.file, name, { fields: order.fields })
      for await (const _ of client.events(id)) void _
      return { ...order, name, text: spoken((await client.get(id)).text) }
    }),
  )
  const pairs = orders.map(({ name, text }) => [sample(name).text, text] as const)
  const rate = wordErrorRate(pairs)
  report.promise(
    'real speech undisturbed: word errors',
    `${(100 * rate).toFixed(1)} %`,
    '<= 8 %',
    rate <= 0.08,
  )
  return orders
}

/** Callers who each send a job, wait for its end, and send the next. */
class Crowd {
  readonly #server: Server
  readonly #reals: readonly Order[]
  readonly #random: () => number
  readonly #report: Report
  readonly #accepted = new Map<string, string>()
  readonly #unanswered = new Set<string>()
  readonly #endings: Ending[] = []
  #sent = 0

  constructor(server: Server, reals: readonly Order[], random: () => number, report: Report) {
    this.#server = server
    this.#reals = reals
    this.#random = random
    this.#report = report
  }

  async work(callers: number, untilMs: number): Promise<void> {
    await Promise.all(Array.from({ length: callers }, () => this.#caller(untilMs)))
  }

  async #caller(untilMs: number): Promise<void> {
    const client = patientClient(this.#server)
    do {
      const number = this.#sent++
      const order = this.#order(number)
      const name = `job ${number}`
      try {
        const id = await accepted(client, order, name, (unanswered) => this.#unanswered.add(unanswered))
        this.#accepted.set(id, name)
        const end = await ending(this.#server, client, id, order.text)
        this.#endings.push(end)
        for (const fault of end.faults) this.#report.broken(`${name} (${id}): ${fault}`)
      } catch (error) {
        this.#report.broken(`${name}: ${String(error)}`)
      }
    } while (performance.now() < untilMs)
  }

  #order(number: number): Order {
    const real = this.#reals[Math.floor(number / REAL_SHARE) % this.#reals.length]
    return number % REAL_SHARE === 0 && real !== undefined ? real : scriptedOrder(number, this.#random)
  }

  /** What the list says of all that was sent. */
  async judge(): Promise<void> {
    const client = patientClient(this.#server)
    const listed = await patiently(async () => {
      const jobs = []
      for await (const job of client.list()) jobs.push(job)
      return jobs
    })
    const ids = listed.map(({ id }) => id)
    const names = listed.flatMap(({ name }) => (name === null ? [] : [name]))
    const lost = [...this.#accepted].filter(([id]) => !ids.includes(id as never))
    const good = this.#endings.filter(({ faults }) => faults.length === 0).length
    const unended = listed.filter(({ completed_at }) => completed_at === null)
    const report = this.#report
    report.promise(
      'accepted jobs that ended right',
      `${good} of ${this.#accepted.size}`,
      'all',
      good === this.#accepted.size,
    )
    report.promise('accepted jobs that the list has lost', lost.length, '0', lost.length === 0)
    report.promise(
      'jobs that are there twice',
      ids.length - new Set(ids).size,
      '0',
      ids.length === new Set(ids).size,
    )
    const twice = names.length - new Set(names).size
    report.promise('submits that made two jobs', twice, '0', twice === 0)
    report.promise('jobs that never ended', unended.length, '0', unended.length === 0)
    report.figure('submits without an answer', this.#unanswered.size)
    report.figure('of those, jobs nevertheless', names.filter((name) => this.#unanswered.has(name)).length)
    report.figure(
      'runs that had to be repeated',
      this.#endings.reduce((sum, { reruns }) => sum + reruns, 0),
    )
  }
}

/** All slots are free, and nothing waits. */
async function judgeFleet(server: Server, report: Report): Promise<void> {
  const client = patientClient(server)
  const [agents, engines] = await patiently(() => Promise.all([client.agents(), client.engines()]))
  const taken = agents.reduce((sum, { running_tasks }) => sum + running_tasks, 0)
  const queued = engines.reduce((sum, { queued_tasks }) => sum + queued_tasks, 0)
  report.promise('slots taken at the end', taken, '0', taken === 0)
  report.promise('tasks queued at the end', queued, '0', queued === 0)
}
