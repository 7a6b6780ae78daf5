import { parseArgs } from 'node:util'
import { outages } from './outages.ts'
import { Census, killHard } from './processes.ts'
import { recovery } from './recovery.ts'
import { Report } from './report.ts'
import { storm } from './storm.ts'

const USAGE = `usage: npm run test:chaos [-- [--seed N] [--jobs 30] [--minutes 3] [--part NAME]... [--short]]
Kills what runs, at random, and looks whether every promise is kept. Parts: storm, recovery, outages; all by default.
--short takes about a minute and a half. Ends by itself, uses loopback only, and kills only what it started. Linux.`

const PARTS = ['storm', 'recovery', 'outages']

interface Parameters {
  readonly seed: number
  readonly jobs: number
  readonly minutes: number
  readonly parts: readonly string[]
  readonly isShort: boolean
}

const parameters = parse(process.argv.slice(2))
if (parameters === null) {
  console.error(USAGE)
  process.exit(2)
}
process.exit((await run(parameters)) ? 0 : 1)

async function run({ seed, jobs, minutes, parts, isShort }: Parameters): Promise<boolean> {
  const report = new Report()
  const census = new Census()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      for (const { pid } of census.living()) killHard(pid)
      process.exit(130)
    })
  }
  const has = (part: string) => parts.includes(part)
  if (has('storm')) await storm({ seed, jobs, minutes }, report)
  if (has('recovery')) {
    const size = isShort ? { agents: 3, rounds: 1 } : { agents: 6, rounds: 2 }
    await recovery({ seed, ...size, powerLoss: !isShort }, report)
  }
  if (has('outages')) await outages({ seed, agents: isShort ? 4 : 8, restarts: isShort ? 1 : 20 }, report)
  const left = await census.leftovers()
  report.promise('processes left running', left.length, '0', left.length === 0)
  return report.end()
}

function parse(argv: readonly string[]): Parameters | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        seed: { type: 'string' },
        jobs: { type: 'string', default: '30' },
        minutes: { type: 'string' },
        part: { type: 'string', multiple: true, default: PARTS },
        short: { type: 'boolean', default: false },
      },
    })
    const isShort = values.short
    const seed = Number(values.seed ?? Date.now() % 1_000_000)
    const jobs = Number(values.jobs)
    const minutes = Number(values.minutes ?? (isShort ? 0.4 : 3))
    const areNumbers = Number.isInteger(seed) && jobs >= 1 && Number.isInteger(jobs) && minutes > 0
    if (!areNumbers || values.part.some((part) => !PARTS.includes(part))) return null
    return { seed, jobs, minutes, parts: values.part, isShort }
  } catch {
    return null // an unknown flag
  }
}
