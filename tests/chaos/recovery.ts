import { setTimeout as sleep } from 'node:timers/promises'
import type { JobView } from '#protocol/job.ts'
import type { Box } from '#tests/e2e/kit/box.ts'
import { Fleet } from '#tests/e2e/kit/fleet.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { inSeconds, quantile, type Report } from './report.ts'

export interface RecoveryOptions {
  readonly seed: number
  /** How many agents die in one round. */
  readonly agents: number
  readonly rounds: number
  /** Whether there is one more, of agents that fall silent with their connections open. */
  readonly powerLoss: boolean
}

const ENGINES = ['scripted-prepare', 'scripted-words']
/** A lease of 30 s, a retry's wait of a second at most, an offer. */
const TARGET_MS = 35_000
/** Longer than a lease is extended for: agents die at every moment between two extensions. */
const SPREAD_MS = 8_000

/** With the settings as they come: from the death of an agent until its task runs on another. */
export async function recovery(options: RecoveryOptions, report: Report): Promise<void> {
  const random = seeded(options.seed)
  const fleet = await Fleet.start({})
  try {
    const took: number[] = []
    for (let round = 1; round <= options.rounds; round++) {
      report.note(`recovery, round ${round}: ${options.agents} agents are killed while they work`)
      took.push(...(await oneRound(fleet, options.agents, random, (box) => box.kill())))
    }
    judge('agent death', took, report, TARGET_MS)
    if (options.powerLoss) {
      report.note(`recovery: ${options.agents} machines lose their power`)
      const freeze = (box: Box) => Promise.resolve(box.freeze())
      // Such a machine looks alive for a while: offers of 5 s each go there in vain, so nothing is promised.
      judge('power loss', await oneRound(fleet, options.agents, random, freeze), report)
    }
  } finally {
    await fleet.stop()
  }
}

function judge(what: string, took: readonly number[], report: Report, targetMs?: number): void {
  const worst = Math.max(...took)
  const until = `${what} to running elsewhere`
  report.figure(`${until}: times`, took.length)
  report.figure(`${until}: p50`, inSeconds(quantile(took, 0.5)))
  if (targetMs === undefined) report.figure(`${until}: max`, inSeconds(worst))
  else report.promise(`${until}: max`, inSeconds(worst), `<= ${targetMs / 1000} s`, worst <= targetMs)
}

async function oneRound(
  fleet: Fleet,
  agents: number,
  random: () => number,
  end: (box: Box) => Promise<void>,
): Promise<number[]> {
  const gate = fleet.gate(`recovery-${random()}`)
  await fleet.script({ on: { transcribe: { until: gate.path } } })
  const names = Array.from({ length: agents }, (_, index) => `victim-${index}`)
  const victims = await Promise.all(names.map((name) => fleet.box(name, { engines: ENGINES })))
  const jobs: { readonly id: string; readonly victim: Box }[] = []
  for (const _ of victims) {
    const { id } = await fleet.submit()
    const { stages } = await fleet.when(id, (job) => runsOn(job) !== null)
    const why = stages[1]?.why ?? ''
    const victim = victims.find(({ name }) => why.startsWith(`${name}:`))
    if (victim === undefined) throw new Error(`the task runs nowhere: ${why}`)
    jobs.push({ id, victim })
  }
  await fleet.box('rescuer', { engines: ENGINES, slots: agents })
  const took = await Promise.all(
    jobs.map(async ({ id, victim }) => {
      const before = runsOn(await fleet.client.get(id))
      await sleep(random() * SPREAD_MS)
      await end(victim)
      const deathMs = performance.now()
      await fleet.when(id, (job) => (runsOn(job) ?? before) !== before)
      return performance.now() - deathMs
    }),
  )
  gate.open()
  for (const { id } of jobs) await fleet.ended(id)
  await fleet.dismiss()
  return took
}

/** The agent that transcribes. */
function runsOn({ stages }: JobView): string | null {
  const running = stages.find(({ stage, status }) => stage === 'transcribe' && status === 'running')
  return running?.agent_id ?? null
}
