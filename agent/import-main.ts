import { fileURLToPath } from 'node:url'
import { EngineError } from '#engines/engine.ts'
import { sentenceOf } from './log.ts'
import { importFolder } from './models/import.ts'

/** `node agent/import-main.ts <data folder> <model> <folder>`: a model's files from a folder of this machine. */
const [dataFolder = '', model = '', folder = ''] = process.argv.slice(2)
const rootFolder = fileURLToPath(new URL('..', import.meta.url))
try {
  const { id } = await importFolder({ rootFolder, dataFolder, model, folder, nowMs: Date.now() })
  process.stdout.write(`${id}\n`)
} catch (error) {
  const sentence = error instanceof EngineError ? error.taskError.message : sentenceOf(error)
  process.stderr.write(`dalston: ${sentence}\n`)
  process.exitCode = 1
}
