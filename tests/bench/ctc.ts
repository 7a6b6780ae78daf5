import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ctc from '#engines/ctc/engine.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import prepare from '#engines/prepare/engine.ts'
import { PARAMETERS, recordingContext } from '#tests/kit/engine-runs.ts'
import { type Bench, median, type Report } from './bench.ts'

/** The ctc engine with the embedded model on one thread: speed on a minute of speech, and what loading costs. */
const MODEL = fileURLToPath(new URL('../../models/embedded/', import.meta.url))
const FILES = { runtimeModelId: 'embedded-en', folder: MODEL, threads: 1, device: 'cpu' } as const
const ROUNDS = 5

export const bench: Bench = {
  name: 'ctc',
  async run(report) {
    const folder = mkdtempSync(join(tmpdir(), 'dalston-bench-ctc-'))
    try {
      for (const greedy of [true, false]) await speed(report, folder, greedy)
      await loading(report)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function speed(report: Report, folder: string, greedy: boolean): Promise<void> {
  const { context } = recordingContext()
  const task = { outputFolder: folder, parameters: PARAMETERS }
  const upload = join(MODEL, 'samples', 'call.wav')
  const { duration_seconds: end } = await prepare.run(
    { ...task, stage: 'prepare', inputs: { upload } },
    await prepare.load(null),
    context,
  )
  const audio = { path: join(folder, 'audio.s16'), format: 's16le', start: 0, end } as const
  const inputs = { audio, speechRegions: join(folder, 'speech.jsonl') }
  const model = await loadModel(FILES, { greedy })
  const run = () => ctc.run({ ...task, stage: 'transcribe', inputs }, model, context)
  await run()
  const ratio = end / (median(await timed(run)) / 1000)
  await ctc.dispose(model)
  report({
    bench: 'ctc',
    case: `${greedy ? 'greedy' : 'beam'}, one thread, ${Math.round(end)} s of speech`,
    figure: 'speed',
    value: Math.round(ratio),
    unit: 'x real time',
    target: greedy ? null : '>= 50 (aim 100)',
    ok: greedy ? null : ratio >= 50,
  })
}

/** Config, lexicon, language model and session, against the session alone. */
async function loading(report: Report): Promise<void> {
  const whole = median(await timed(async () => ctc.dispose(await loadModel(FILES))))
  const bare = median(
    await timed(async () => (await openSession(join(MODEL, 'model.onnx'), { threads: 1 })).release()),
  )
  const figure = { bench: 'ctc', case: 'load', target: null, ok: null }
  report({ ...figure, figure: 'model', value: Math.round(whole), unit: 'ms' })
  report({ ...figure, figure: 'to bare session', value: Math.round((whole / bare) * 100) / 100, unit: 'x' })
}

/** Milliseconds of each round. */
async function timed(action: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    await action()
    times.push(performance.now() - start)
  }
  return times
}
