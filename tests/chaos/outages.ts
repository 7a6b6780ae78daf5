import { setTimeout as sleep } from 'node:timers/promises'
import { Fleet } from '#tests/e2e/kit/fleet.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { inSeconds, quantile, type Report } from './report.ts'

export interface OutageOptions {
  readonly seed: number
  readonly agents: number
  readonly restarts: number
}

/** A connection that held so long starts its backoff anew (agent/backoff.ts). */
const STABLE_MS = 10_500
const LONGEST_OUTAGE_MS = 3_000
const PROMISED_MS = 5_000
const PROMISED_SHARE = 0.95
/** With fewer returns a share says nothing. */
const ENOUGH = 60

/** With the settings as they come: how soon after an outage of up to three seconds the agents are back. */
export async function outages(options: OutageOptions, report: Report): Promise<void> {
  const random = seeded(options.seed)
  const fleet = await Fleet.start({})
  try {
    const names = Array.from({ length: options.agents }, (_, index) => `agent-${index}`)
    const boxes = await Promise.all(names.map((name) => fleet.box(name, { engines: ['scripted-words'] })))
    const back: number[] = []
    const afterLonger: number[] = []
    for (let restart = 1; restart <= options.restarts; restart++) {
      await sleep(STABLE_MS)
      const welcomes = boxes.map((box) => box.welcomedAgain().then(() => performance.now()))
      const downMs = performance.now()
      // Every other one in order, as a deploy does.
      if (restart % 2 === 0) await fleet.server.stop()
      else await fleet.server.kill()
      await sleep(random() * 500)
      await fleet.server.start()
      const readyMs = performance.now()
      const took = (await Promise.all(welcomes)).map((welcomedMs) => Math.max(0, welcomedMs - readyMs))
      const outageMs = readyMs - downMs
      report.note(
        `restart ${restart}: away ${inSeconds(outageMs)}, all back ${inSeconds(Math.max(...took))} later`,
      )
      if (outageMs <= LONGEST_OUTAGE_MS) back.push(...took)
      else afterLonger.push(...took)
    }
    const all = [...back, ...afterLonger]
    report.figure('agents back after a restart: p50', inSeconds(quantile(all, 0.5)))
    report.figure('agents back after a restart: p95', inSeconds(quantile(all, 0.95)))
    report.figure('agents back after a restart: max', inSeconds(Math.max(...all)))
    const what = 'back within 5 s of ready, away for up to 3 s'
    if (back.length < ENOUGH) report.figure(what, percentOf(back))
    else report.promise(what, percentOf(back), '>= 95 %', shareOf(back) >= PROMISED_SHARE)
    // A busy machine does not start a server within three seconds.
    report.figure('back within 5 s of ready, away for longer', percentOf(afterLonger))
  } finally {
    await fleet.stop()
  }
}

function shareOf(took: readonly number[]): number {
  return took.filter((ms) => ms <= PROMISED_MS).length / took.length
}

function percentOf(took: readonly number[]): string {
  return took.length === 0 ? 'none' : `${(100 * shareOf(took)).toFixed(1)} % of ${took.length}`
}
