import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Swapper, swapAgain } from '#tests/agent/kit/swapper.ts'
import { writeWeightyModel } from '#tests/kit/weighty-model.ts'
import { type Bench, median, type Report } from './bench.ts'
import { BareSessions } from './kit/bare-sessions.ts'
import { whisperCancels, whisperSwaps } from './swap-whisper.ts'

/** Models that come and go in a real engine child: what a load costs, what a release gives back, how soon a crash is over. */
const SIZE_MIB = 290
const ROUNDS = 5
const SWAPS = 100

export const bench: Bench = {
  name: 'swap',
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'dalston-bench-swap-'))
    const swapper = new Swapper(folder, { keepAliveSeconds: 0 })
    try {
      const onnx = join(folder, 'weighty.onnx')
      await writeWeightyModel(onnx, SIZE_MIB)
      await swapper.model('weighty', { onnx })
      await swapper.model('crashes', { load: 'crash' })
      await swapper.model('runs', { run_until: join(folder, 'never') })
      await swapper.model('small')
      await loads(report, swapper, onnx)
      await releases(report, swapper)
      await recovers(report, swapper)
      await recoversFromRun(report, swapper)
    } finally {
      await swapper.hosts.stop()
      await rm(folder, { recursive: true })
    }
    await whisperSwaps(report)
    await whisperCancels(report)
  },
}

/** In turns, so that a busy minute hits both; the first of each warms the page cache and brings the libraries in. */
async function loads(report: Report, swapper: Swapper, onnx: string): Promise<void> {
  await using sessions = new BareSessions(onnx)
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const answer = await swapper.run('weighty').ended
    if (!answer.ok) throw new Error(answer.error.message)
    await swapper.lines.take('release', (line) => line.event === 'model.unloaded')
    const bareMs = await sessions.open()
    if (round === 0) continue
    ours.push(answer.loadMs)
    bare.push(bareMs)
  }
  const figure = { bench: 'swap', case: `load, ${SIZE_MIB} MiB of weights, median of ${ROUNDS}` }
  const ratio = median(ours) / median(bare)
  const plain = { ...figure, unit: 'ms', target: null, ok: null }
  report({ ...plain, figure: 'model in a child', value: Math.round(median(ours)) })
  report({ ...plain, figure: 'bare session', value: Math.round(median(bare)) })
  const value = Math.round(ratio * 100) / 100
  report({ ...figure, figure: 'to bare session', value, unit: 'x', target: '<= 1.3', ok: ratio <= 1.3 })
}

async function releases(report: Report, swapper: Swapper): Promise<void> {
  const children = swapper.pids.length
  const afterMib: number[] = []
  for (let swap = 0; swap < SWAPS; swap++) afterMib.push(await swapAgain(swapper, 'weighty'))
  const [first = 0] = afterMib
  const most = Math.max(...afterMib)
  const figure = { bench: 'swap', case: `release, ${SWAPS} swaps of ${SIZE_MIB} MiB` }
  const plain = { ...figure, unit: 'MiB', target: null, ok: null }
  report({ ...plain, figure: 'resident after the first', value: first })
  report({ ...plain, figure: 'most after any', value: most })
  const growth = 100 * (most / first - 1)
  report({ ...figure, figure: 'growth', value: growth, unit: '%', target: '<= 10', ok: growth <= 10 })
  const isOne = swapper.pids.length === children
  report({
    ...plain,
    figure: 'new children',
    value: swapper.pids.length - children,
    unit: '',
    target: '0',
    ok: isOne,
  })
}

/** From the crash's answer to the end of the next task: fork, import, load, run. */
async function recovers(report: Report, swapper: Swapper): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await swapper.run('crashes').ended
    const startMs = performance.now()
    const answer = await swapper.run('small').ended
    if (!answer.ok) throw new Error(answer.error.message)
    times.push(performance.now() - startMs)
  }
  const value = Math.round(Math.max(...times))
  const figure = { bench: 'swap', case: `a child that crashed, ${ROUNDS} times`, unit: 'ms' }
  report({ ...figure, figure: 'slowest next task', value, target: '<= 2000', ok: value <= 2000 })
}

/** From the end of a child in the middle of a run to the start of the next task's run: notice, fork, import, load. */
async function recoversFromRun(report: Report, swapper: Swapper): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const { ended, says } = swapper.run('runs')
    await says('running')
    const startMs = performance.now()
    // Not SIGKILL: that is how the system ends what takes too much memory, and such a task is tried again.
    process.kill(childOf(swapper), 'SIGSEGV')
    const crashed = await ended
    if (crashed.ok) throw new Error('it ended before its child did')
    const next = swapper.run('small')
    await next.says('running')
    times.push(performance.now() - startMs)
    await next.ended
  }
  const value = Math.round(Math.max(...times))
  const figure = { bench: 'swap', case: `a child that crashed in a run, ${ROUNDS} times`, unit: 'ms' }
  report({ ...figure, figure: 'slowest next start', value, target: '<= 2000', ok: value <= 2000 })
}

function childOf({ pids }: Swapper): number {
  const pid = pids.at(-1)
  if (pid === undefined) throw new Error('no child was started')
  return pid
}
