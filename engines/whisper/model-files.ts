import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, type ModelFiles } from '../engine.ts'
import { readTextFile } from '../text/text-file.ts'

/** The files of a model folder in the public hub layout, and errors that name one of them. */

/**
 * Precisions as the files' names end, the first that is there is taken. On a CPU 8 bits are several times faster than floats
 * and half floats no faster; on a GPU it is half floats that are fast.
 */
const ON_CPU = ['_quantized', '_int8', '_uint8', '', '_q4', '_q4f16', '_bnb4', '_fp16']
const ON_GPU = ['_fp16', '', '_q4f16', '_q4', '_bnb4', '_quantized', '_int8', '_uint8']

/** The file of one half of the network, relative to the folder: `onnx/encoder_model_fp16.onnx`. */
export async function networkFile(files: ModelFiles, stem: string): Promise<string> {
  const endings = files.device === 'cpu' ? ON_CPU : ON_GPU
  for (const folder of ['onnx', '.']) {
    const names = await readdir(join(files.folder, folder)).catch(ifMissing)
    if (names === null) continue
    for (const ending of endings)
      if (names.includes(`${stem}${ending}.onnx`)) return join(folder, `${stem}${ending}.onnx`)
  }
  const expected = `onnx/${stem}.onnx`
  throw invalidModel(
    files,
    expected,
    `is missing, and no other precision of it (${ON_CPU.filter((one) => one !== '').join(', ')}) is there`,
  )
}

export async function readNeeded(files: ModelFiles, name: string): Promise<string> {
  const text = await readOptional(files, name)
  if (text === null) throw invalidModel(files, name, 'is missing')
  return text
}

/** A tokenizer of a hundred languages has a few megabytes. */
const MOST_BYTES = 64 * 2 ** 20

export function readOptional(files: ModelFiles, name: string): Promise<string | null> {
  return readTextFile(join(files.folder, name), MOST_BYTES).catch((error: unknown) => {
    throw invalidModel(files, name, messageOf(error), error)
  })
}

export function invalidModel(files: ModelFiles, file: string, problem: string, cause?: unknown): EngineError {
  const message = `The model ${files.runtimeModelId} cannot be used: ${file}: ${problem}`.slice(0, 2000)
  return new EngineError({ code: 'invalid_model', message, retryable: false }, { cause })
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function ifMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return null
  throw error
}
