import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, median, type Report } from '../bench.ts'
import { type BenchServer, startBenchServer } from '../kit/bench-server.ts'
import { reportDisk } from '../kit/disk.ts'
import { type RecordingForm, recordingForm, submitForm } from '../kit/recording-form.ts'
import { ScriptedAgent } from '../kit/scripted-agent.ts'
import { refusing, WorkingAgent } from '../kit/working-agent.ts'
import { BarePath } from './bare-path.ts'
import { submitAlone } from './offer.ts'
import { lanes, percentile } from './statistics.ts'

const SIZES_KB = [16, 64]
const ROUNDS = 100
const WARM_UP = 15
const CONCURRENCIES = [8, 32]
/** Below the five seconds after which an offer that nobody answers is over. */
const WINDOW_MS = 2_500
const WINDOWS = 3
/** What a job does after its ack (its row in D1) is over by then, so that it does not burden the bare path's turn. */
const SETTLE_MS = 10
const SLOTS = 1_000
const OFFER_LIMIT = 2.5
const ACCEPTED_LIMIT = 0.6

/** Submits beside the bare path, turn by turn: one at a time, then as many as are accepted. */
export const bench: Bench = {
  name: 'load.submit',
  async run(report) {
    reportDisk(report)
    await using server = await startBenchServer()
    await using bare = await BarePath.open()
    const agent = new WorkingAgent(await ScriptedAgent.join(server, SLOTS), refusing)
    for (const size of SIZES_KB) await latency(report, server, bare, agent, size)
    for (const concurrency of CONCURRENCIES) await throughput(report, server, bare, agent, concurrency)
    agent.agent.close()
  },
}

async function latency(
  report: Report,
  server: BenchServer,
  bare: BarePath,
  agent: WorkingAgent,
  sizeKb: number,
): Promise<void> {
  const form = recordingForm(sizeKb * 1024)
  const offers: number[] = []
  const answers: number[] = []
  const pushes: number[] = []
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const pushMs = await bare.pushMs(form)
    const { offerMs, answerMs } = await submitAlone(server, [agent], form)
    await delay(SETTLE_MS)
    if (round < 0) continue
    pushes.push(pushMs)
    offers.push(offerMs)
    answers.push(answerMs)
  }
  const common = {
    bench: 'load',
    case: `${sizeKb} KB, one at a time`,
    unit: 'ms',
    target: null,
    ok: null,
  } as const
  const ratio = median(offers) / median(pushes)
  report({ ...common, figure: 'last byte to offer, p50', value: median(offers) })
  report({ ...common, figure: 'last byte to offer, p95', value: percentile(offers, 95) })
  report({ ...common, figure: 'last byte to answer, p50', value: median(answers) })
  report({ ...common, figure: 'bare path, last byte to push, p50', value: median(pushes) })
  report({ ...common, figure: 'bare path, last byte to push, p95', value: percentile(pushes, 95) })
  const target = `<= ${OFFER_LIMIT}`
  report({ ...common, figure: 'ratio of p50', value: ratio, unit: 'x', target, ok: ratio <= OFFER_LIMIT })
}

/** Accepted submits a second. Offers are left open meanwhile: what is compared ends with a push on both paths. */
async function throughput(
  report: Report,
  server: BenchServer,
  bare: BarePath,
  agent: WorkingAgent,
  concurrency: number,
): Promise<void> {
  const form = recordingForm(16 * 1024)
  const rates = { real: [] as number[], bare: [] as number[] }
  for (let window = 0; window < WINDOWS; window++) {
    rates.bare.push(await rate(concurrency, () => bare.submit(form)))
    rates.real.push(await realRate(server, agent, form, concurrency))
  }
  const share = median(rates.real) / median(rates.bare)
  const common = {
    bench: 'load',
    case: `16 KB, ${concurrency} at once`,
    unit: '/s',
    target: null,
    ok: null,
  } as const
  report({ ...common, figure: 'accepted submits', value: median(rates.real) })
  report({ ...common, figure: 'bare path, accepted submits', value: median(rates.bare) })
  const target = `>= ${ACCEPTED_LIMIT * 100}`
  const ok = share >= ACCEPTED_LIMIT
  report({ ...common, figure: 'share of the bare path', value: share * 100, unit: '%', target, ok })
}

async function realRate(
  server: BenchServer,
  agent: WorkingAgent,
  form: RecordingForm,
  concurrency: number,
): Promise<number> {
  agent.hold()
  const accepted = await rate(concurrency, () => submitForm(server, form))
  agent.release()
  await drained(agent)
  return accepted
}

async function rate(concurrency: number, submit: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  const done = await lanes(concurrency, startMs + WINDOW_MS, submit)
  return (done / (performance.now() - startMs)) * 1000
}

/** The jobs of a window are ended before the next one, or given up after this long. */
const DRAIN_MS = 20_000

async function drained(agent: WorkingAgent): Promise<void> {
  const untilMs = performance.now() + DRAIN_MS
  while (agent.open > 0 && performance.now() < untilMs) await delay(50)
}
