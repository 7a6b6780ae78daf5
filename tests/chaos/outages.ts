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
    let longer = 0
    for (let restart = 1; restart - longer <= options.restarts && longer <= options.restarts; restart++) {
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
      else longer++
    }
    const share = back.filter((ms) => ms <= PROMISED_MS).length / back.length
    const percent = `${(100 * share).toFixed(1)} % of ${back.length}`
    report.figure('outages that took longer than 3 s, not counted', longer)
    report.figure('back after a restart: p50', inSeconds(quantile(back, 0.5)))
    report.figure('back after a restart: p95', inSeconds(quantile(back, 0.95)))
    report.figure('back after a restart: max', inSeconds(Math.max(...back)))
    const what = 'agents back within 5 s of ready'
    if (back.length < ENOUGH) report.figure(what, percent)
    else report.promise(what, percent, '>= 95 %', share >= PROMISED_SHARE)
  } finally {
    await fleet.stop()
  }
}
