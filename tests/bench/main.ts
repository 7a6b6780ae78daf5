import { cpus, loadavg } from 'node:os'
import type { Bench, Figure } from './bench.ts'

/**
 * `npm run bench -- NAME... [--json]`: measures; no name: all. One line a figure; targets that are missed are marked. A
 * name with a dot is a part of a bench, and runs when it is named.
 */
const BENCHES: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  submit: () => import('./submit.ts'),
  fanout: () => import('./fanout.ts'),
  queue: () => import('./queue.ts'),
  upload: () => import('./upload.ts'),
  ctc: () => import('./ctc.ts'),
  tdt: () => import('./tdt.ts'),
  prepare: () => import('./prepare.ts'),
  wer: () => import('./wer.ts'),
  whisper: () => import('./whisper.ts'),
  swap: () => import('./swap.ts'),
  overhead: () => import('./overhead.ts'),
  'overhead.clip': async () => ({ bench: (await import('./overhead.ts')).clip }),
  load: () => import('./load.ts'),
  'load.submit': () => import('./load/submit.ts'),
  'load.jobs': () => import('./load/jobs.ts'),
  'load.agents': () => import('./load/agents.ts'),
  'load.bill': () => import('./load/bill.ts'),
}

const parameters = process.argv.slice(2)
const isJson = parameters.includes('--json')
const names = parameters.filter((parameter) => parameter !== '--json')
const unknown = names.filter((name) => BENCHES[name] === undefined)
if (unknown.length > 0) {
  console.error(`bench: there is no ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`)
  process.exit(2)
}

const whole = Object.keys(BENCHES).filter((name) => !name.includes('.'))
for (const name of names.length > 0 ? names : whole) {
  const load = BENCHES[name]
  if (load === undefined) continue
  const { bench } = await load()
  const before = loadavg()[0] ?? 0
  if (!isJson) {
    const shared = `${cpus().length} cores, load ${before.toFixed(1)} before it began`
    console.log(`${bench.name} (${shared})`)
  }
  await bench.run(print)
}

function print(figure: Figure): void {
  if (isJson) {
    console.log(JSON.stringify(figure))
    return
  }
  const value = Number.isInteger(figure.value) ? String(figure.value) : figure.value.toPrecision(4)
  const target =
    figure.target === null ? '' : `  target ${figure.target}${figure.ok === false ? '  MISSED' : ''}`
  console.log(`  ${figure.case}: ${figure.figure} ${value} ${figure.unit}${target}`)
}
