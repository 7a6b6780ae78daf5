import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, median, type Report } from '../bench.ts'
import type { BenchServer } from '../kit/bench-server.ts'
import { httpCall } from '../kit/http-call.ts'
import { openFilesLimit, residentMib, runtimePid } from '../kit/memory.ts'
import { recordingForm } from '../kit/recording-form.ts'
import { joinAgent, ScriptedAgent } from '../kit/scripted-agent.ts'
import { refusing, WorkingAgent } from '../kit/working-agent.ts'
import { startWrappedServer } from '../kit/wrapped-server.ts'
import { BarePath } from './bare-path.ts'
import { submitAlone } from './offer.ts'
import { each, percentile } from './statistics.ts'

const COUNTS = [1_000, 5_000]
/** The runtime needs two for a socket, and some for objects and connections. A process that runs out of them ends. */
const FILES_PER_AGENT = 2
const SPARE_FILES = 2_000
const JOINING_AT_ONCE = 32
const CONNECTING_AT_ONCE = 64
const ROUNDS = 40
const WARM_UP = 5
const HEARTBEATS_MS = 3_000
const OFFER_LIMIT = 2.5
/** Who is not back by then is not waited for. */
const STORM_LIMIT_MS = 240_000

/** Thousands of agents on one registry: how fast they come, what they hold, whether submits stay fast, and a storm. */
export const bench: Bench = {
  name: 'load.agents',
  async run(report) {
    await using server = await startWrappedServer('evicting-worker.js')
    const pid = runtimePid()
    await using bare = await BarePath.open()
    const { token } = await server.client.createJoinToken()
    const emptyMib = residentMib(pid)
    const credentials: string[] = []
    const agents: WorkingAgent[] = []
    for (const count of COUNTS) {
      if (!fits(report, count)) break
      const joined = await join(server, token, count - credentials.length)
      credentials.push(...joined)
      const startMs = performance.now()
      agents.push(...(await connect(server, joined)))
      const rate = (joined.length / (performance.now() - startMs)) * 1000
      const line = lineOf(report, count)
      line('connect and hello', rate, 'agents a second')
      line('memory of the runtime for an agent', ((residentMib(pid) - emptyMib) / count) * 1024, 'KiB')
      line('pings answered', await heartbeats(agents), '/s')
      await submits(report, server, bare, agents, count)
    }
    if (agents.length > 0) await storm(report, server, agents, credentials)
  },
}

function lineOf(report: Report, count: number) {
  const common = { bench: 'load', case: `${count} agents`, target: null, ok: null } as const
  return (figure: string, value: number, unit: string) => report({ ...common, figure, value, unit })
}

function fits(report: Report, count: number): boolean {
  const limit = openFilesLimit()
  const needed = count * FILES_PER_AGENT + SPARE_FILES
  if (needed > limit) {
    lineOf(report, count)(`left out: needs ulimit -n ${needed}, and may not raise it above`, limit, 'files')
  }
  return needed <= limit
}

async function join(server: BenchServer, token: string, count: number): Promise<string[]> {
  const credentials: string[] = []
  await each(Array.from({ length: count }).keys(), JOINING_AT_ONCE, async () => {
    credentials.push(await joinAgent(server, token))
  })
  return credentials
}

async function connect(server: BenchServer, credentials: readonly string[]): Promise<WorkingAgent[]> {
  const agents: WorkingAgent[] = []
  await each(credentials, CONNECTING_AT_ONCE, async (credential) => {
    agents.push(new WorkingAgent(await ScriptedAgent.connect(server, credential, 1), refusing))
  })
  return agents
}

/** Every agent pings as soon as it was answered. */
async function heartbeats(agents: readonly WorkingAgent[]): Promise<number> {
  let count = 0
  const untilMs = performance.now() + HEARTBEATS_MS
  for (const { agent } of agents) {
    agent.onPong = () => {
      count++
      if (performance.now() < untilMs) agent.ping()
    }
    agent.ping()
  }
  await delay(HEARTBEATS_MS)
  for (const { agent } of agents) agent.onPong = () => undefined
  return (count / HEARTBEATS_MS) * 1000
}

/** One at a time beside the bare path, while the agents' own heartbeats go on. */
async function submits(
  report: Report,
  server: BenchServer,
  bare: BarePath,
  agents: readonly WorkingAgent[],
  count: number,
): Promise<void> {
  const form = recordingForm(16 * 1024)
  const offers: number[] = []
  const pushes: number[] = []
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const pushMs = await bare.pushMs(form)
    const { offerMs } = await submitAlone(server, agents, form)
    if (round < 0) continue
    pushes.push(pushMs)
    offers.push(offerMs)
  }
  const line = lineOf(report, count)
  line('last byte to offer, p50', median(offers), 'ms')
  line('last byte to offer, p95', percentile(offers, 95), 'ms')
  line('bare path (one socket), p50', median(pushes), 'ms')
  const ratio = median(offers) / median(pushes)
  const target = `<= ${OFFER_LIMIT}`
  const ok = ratio <= OFFER_LIMIT
  report({
    bench: 'load',
    case: `${count} agents`,
    figure: 'ratio of p50',
    value: ratio,
    unit: 'x',
    target,
    ok,
  })
}

/** The registry is evicted, all sockets with it, and every agent comes back at once: agents of ours would spread out. */
async function storm(
  report: Report,
  server: BenchServer,
  agents: readonly WorkingAgent[],
  credentials: readonly string[],
): Promise<void> {
  const startMs = performance.now()
  await httpCall({ method: 'GET', url: `${server.host.address}/v1/bench/evict` })
  for (const { agent } of agents) agent.close()
  await Promise.all(agents.map(({ agent }) => agent.closed))
  const line = lineOf(report, agents.length)
  line('after an eviction: until all sockets were closed', performance.now() - startMs, 'ms')
  let failures = 0
  let isOver = false
  const again: ScriptedAgent[] = []
  const stormMs = performance.now()
  const back = each(credentials, credentials.length, async (credential) => {
    while (!isOver) {
      try {
        again.push(await ScriptedAgent.connect(server, credential, 1))
        return
      } catch {
        failures++ // refused, or the handshake took too long: an agent tries again
      }
    }
  })
  await Promise.race([back, delay(STORM_LIMIT_MS, undefined, { ref: false })])
  isOver = true
  line('after an eviction: welcomed again', again.length, 'agents')
  line('after an eviction: until then', performance.now() - stormMs, 'ms')
  line('after an eviction: connects that failed and were tried again', failures, 'connects')
  for (const agent of again) agent.close()
  await Promise.all(again.map((agent) => agent.closed))
}
