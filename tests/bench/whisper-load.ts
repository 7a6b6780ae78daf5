import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSession } from '#engines/onnx/runtime.ts'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { baseWhisper } from '#tests/kit/whisper-models.ts'
import { median, type Report } from './bench.ts'

const ROUNDS = 5

/** A model as the engine opens it (its decoder's graph is there already), turn by turn with bare sessions of its two files. */
export async function loading(report: Report, variant: 'float' | 'int8'): Promise<void> {
  const folder = await baseWhisper(variant)
  const files = { runtimeModelId: variant, folder, threads: 1, device: 'cpu' } as const
  const networks = (await readdir(join(folder, 'onnx'))).filter((name) => !name.startsWith('.'))
  await releaseModel(await loadModel(files))
  const whole: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    const model = await loadModel(files)
    whole.push(performance.now() - start)
    await releaseModel(model)
    const from = performance.now()
    const sessions = []
    for (const name of networks) sessions.push(await openSession(join(folder, 'onnx', name), { threads: 1 }))
    bare.push(performance.now() - from)
    for (const session of sessions) await session.release()
  }
  const line = { bench: 'whisper', case: `load, ${variant}` }
  const ratio = Math.round((100 * median(whole)) / median(bare)) / 100
  report({ ...line, figure: 'model', value: Math.round(median(whole)), unit: 'ms', target: null, ok: null })
  report({ ...line, figure: 'to bare sessions', value: ratio, unit: 'x', target: '<= 1.3', ok: ratio <= 1.3 })
}
