import { join } from 'node:path'
import { readStepModel } from '#engines/onnx/loop-file.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import type { Emission, Encoded } from '#engines/parakeet/emission.ts'
import type { GreedySearch } from '#engines/parakeet/greedy-search.ts'
import { loadModel } from '#engines/parakeet/model-folder.ts'
import { openSearch } from '#engines/parakeet/open-search.ts'
import { StepLoop } from '#engines/parakeet/step-loop.ts'
import { type SearchOptions, stepModelOf } from '#engines/parakeet/step-model.ts'
import { REAL_TDT, realModel } from '#tests/kit/parakeet-models.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { type Bench, median, type Report } from './bench.ts'

/** Greedy search of a TDT model of real size (8,193 tokens, 73 MB) on one thread, and what loading costs. */
const ROUNDS = 5
/** 30 s of sound. */
const FRAMES = 375
const FILE = 'decoder_joint-model.onnx'
const OPTIONS: SearchOptions = { tokens: REAL_TDT.tokens, mostTokens: 10, hasDurations: true }

export const bench: Bench = {
  name: 'tdt',
  async run(report) {
    const folder = realModel()
    const path = join(folder, FILE)
    const files = { runtimeModelId: 'random-tdt', folder, threads: 1, device: 'cpu' } as const
    const loop = await openSearch({
      files,
      name: FILE,
      path,
      channels: REAL_TDT.encoderSize,
      options: OPTIONS,
    })
    const steps = await openSteps(path)
    for (const items of [1, 8, 16]) await compare(report, items, loop, steps)
    await loop.release()
    await steps.release()
    await loading(report, folder)
  },
}

async function openSteps(path: string): Promise<StepLoop> {
  const checked = stepModelOf((await readStepModel(path)).model.graph, OPTIONS)
  if ('problem' in checked) throw new Error(checked.problem)
  return new StepLoop(await openSession(path, { threads: 1 }), checked.stepModel)
}

/** Both in turns, so that a busy minute hits both. */
async function compare(
  report: Report,
  items: number,
  loop: GreedySearch,
  steps: GreedySearch,
): Promise<void> {
  const encoded = noise(items)
  const times: { loop: number[]; steps: number[] } = { loop: [], steps: [] }
  let isSame = true
  let tokens = 0
  for (let round = 0; round < ROUNDS; round++) {
    const byLoop = await timed(loop, encoded)
    const bySteps = await timed(steps, encoded)
    times.loop.push(byLoop.ms)
    times.steps.push(bySteps.ms)
    isSame &&= placesOf(byLoop.found) === placesOf(bySteps.found)
    tokens = byLoop.found.flat().length
  }
  const name = `${items} x 30 s, ${tokens} tokens, one thread`
  const ratio = median(times.steps) / median(times.loop)
  const figure = { bench: 'tdt', case: name, target: null, ok: null }
  report({ ...figure, figure: 'step loop', value: Math.round(median(times.steps)), unit: 'ms' })
  report({ ...figure, figure: 'graph loop', value: Math.round(median(times.loop)), unit: 'ms' })
  const isTarget = items === 16
  report({
    ...figure,
    figure: 'step loop to graph loop',
    value: Math.round(ratio * 100) / 100,
    unit: 'x',
    ...(isTarget ? { target: '>= 5', ok: ratio >= 5 } : {}),
  })
  report({
    ...figure,
    figure: 'same tokens, places and durations',
    value: isSame ? 1 : 0,
    unit: '',
    target: '1',
    ok: isSame,
  })
}

/** The model as the engine opens it, with the loop on disk already, against its three bare sessions. */
async function loading(report: Report, folder: string): Promise<void> {
  const files = { runtimeModelId: 'random-tdt', folder, threads: 1, device: 'cpu' } as const
  const whole: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    const model = await loadModel(files)
    whole.push(performance.now() - start)
    await model.recognizer.release()
    const from = performance.now()
    const sessions = []
    for (const name of ['encoder-model.onnx', FILE])
      sessions.push(await openSession(join(folder, name), { threads: 1 }))
    bare.push(performance.now() - from)
    for (const session of sessions) await session.release()
  }
  const ratio = median(whole) / median(bare)
  const figure = { bench: 'tdt', case: 'load' }
  report({ ...figure, figure: 'model', value: Math.round(median(whole)), unit: 'ms', target: null, ok: null })
  report({
    ...figure,
    figure: 'to bare sessions',
    value: Math.round(ratio * 100) / 100,
    unit: 'x',
    target: '<= 1.3',
    ok: ratio <= 1.3,
  })
}

async function timed(search: GreedySearch, encoded: Encoded): Promise<{ ms: number; found: Emission[][] }> {
  const start = performance.now()
  const found = await search.search(encoded, async () => {})
  return { ms: performance.now() - start, found }
}

function noise(items: number): Encoded {
  const random = seeded(items)
  const channels = REAL_TDT.encoderSize
  const data = Float32Array.from({ length: items * channels * FRAMES }, () => random() * 2 - 1)
  return { data, items, channels, frames: FRAMES, lengths: Array.from({ length: items }, () => FRAMES) }
}

function placesOf(found: readonly Emission[][]): string {
  return JSON.stringify(found.map((item) => item.map(({ token, frame, frames }) => [token, frame, frames])))
}
