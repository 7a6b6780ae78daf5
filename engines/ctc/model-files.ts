import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { EngineError, type ModelFiles } from '../engine.ts'
import { openSession } from '../onnx/runtime.ts'
import { SessionError } from '../onnx/session-error.ts'
import { readTextFile, TextFileError } from '../text/text-file.ts'

/** Reads the files of a model folder; what is wrong with one is an `EngineError` that names it. */

/** The vocabulary of a thousand languages is below 10 MB; beyond this a file is something else. */
const MOST_BYTES = 32 << 20

export async function readNeeded(files: ModelFiles, name: string): Promise<string> {
  const text = await readOptional(files, name)
  if (text === null) throw invalidModel(files, name, 'is missing')
  return text
}

/** Null where there is no such file. */
export async function readOptional(
  files: ModelFiles,
  name: string,
  mostBytes = MOST_BYTES,
): Promise<string | null> {
  try {
    return await readTextFile(join(files.folder, name), mostBytes)
  } catch (error) {
    if (error instanceof TextFileError) throw invalidModel(files, name, error.message, error)
    throw error
  }
}

/** Names in a folder of the model; none where there is no such folder. */
export async function namesIn(files: ModelFiles, folder: string): Promise<string[]> {
  try {
    return await readdir(join(files.folder, folder))
  } catch (error) {
    if (isMissing(error)) return []
    throw invalidModel(files, folder, `cannot be read: ${messageOf(error)}`, error)
  }
}

/** A session of one file, on the model's device. */
export async function openNetwork(files: ModelFiles, name: string): Promise<InferenceSession> {
  const path = join(files.folder, name)
  const found = await stat(path).catch(() => null)
  // The runtime would wait for a pipe for ever.
  if (found !== null && !found.isFile()) throw invalidModel(files, name, 'is no file')
  try {
    return await openSession(path, { threads: files.threads, device: files.device })
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    switch (error.problem) {
      case 'missing':
        throw invalidModel(files, name, 'is missing', error)
      case 'invalid_model':
        throw invalidModel(files, name, `cannot be opened: ${error.message}`, error)
      // Another agent, or this one when other models are gone, may have what is short here.
      case 'out_of_memory':
      case 'device_unavailable': {
        const message = error.message.slice(0, 2000)
        throw new EngineError({ code: error.problem, message, retryable: true }, { cause: error })
      }
    }
  }
}

export function invalidModel(files: ModelFiles, file: string, problem: string, cause?: unknown): EngineError {
  const message = `The model ${files.runtimeModelId} cannot be used: ${file}: ${problem}`.slice(0, 2000)
  return new EngineError({ code: 'invalid_model', message, retryable: false }, { cause })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
