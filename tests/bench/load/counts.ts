import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { BenchServer } from '../kit/bench-server.ts'
import { httpCall } from '../kit/http-call.ts'

/** What counting-worker.js has counted, by `what|where|which`. */
export type Counts = Readonly<Record<string, number>>

const Counted = z.record(z.string(), z.number())

export async function readCounts({ host }: BenchServer): Promise<Counts> {
  const { text } = await httpCall({ method: 'GET', url: `${host.address}/v1/bench/counts` })
  return Counted.parse(JSON.parse(text))
}

/** Longer than any alarm that a job leaves behind is away. */
const QUIET_MS = 24_000
const SETTLE_LIMIT_MS = 90_000

/** The counts once nothing has changed for a while: alarms that were set for a job have fired, and are part of its bill. */
export async function settledCounts(server: BenchServer): Promise<Counts> {
  let counts = await readCounts(server)
  let changedMs = performance.now()
  const untilMs = changedMs + SETTLE_LIMIT_MS
  while (performance.now() - changedMs < QUIET_MS && performance.now() < untilMs) {
    await delay(500)
    const next = await readCounts(server)
    if (JSON.stringify(next) !== JSON.stringify(counts)) changedMs = performance.now()
    counts = next
  }
  return counts
}

/** What was counted between two readings, of one kind: by where, and by which. */
export function difference(before: Counts, after: Counts, what: string): Map<string, number> {
  const grown = new Map<string, number>()
  for (const [name, value] of Object.entries(after)) {
    const amount = value - (before[name] ?? 0)
    if (name.startsWith(`${what}|`) && amount !== 0) grown.set(name.slice(what.length + 1), amount)
  }
  return grown
}

/** Each call that objects and Worker made: how often a job, and how long it took on the average; the dearest first. */
export function callMeans(before: Counts, after: Counts, jobs: number) {
  const grown = difference(before, after, 'calls')
  return [...grown]
    .filter(([name]) => name.endsWith('|count'))
    .map(([name, count]) => {
      const call = name.slice(0, -'|count'.length)
      return { name: call, perJob: count / jobs, meanMs: (grown.get(`${call}|ms`) ?? 0) / count }
    })
    .filter(({ perJob }) => perJob >= 0.5)
    .sort((a, b) => b.perJob * b.meanMs - a.perJob * a.meanMs)
}
