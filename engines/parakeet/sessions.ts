import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { EngineError, type ModelFiles } from '../engine.ts'
import { openSession } from '../onnx/runtime.ts'
import { SessionError } from '../onnx/session-error.ts'
import { invalidModel } from './failures.ts'

/** A session of one of the model's files, on the model's device. Throws the `EngineError` that its problem is. */
export async function openNetwork(files: ModelFiles, file: string): Promise<InferenceSession> {
  await needFile(files, file)
  try {
    return await openSession(join(files.folder, file), files)
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    throw taskErrorOf(error, files, file)
  }
}

/** A network's file, or a link to one: whoever opens a pipe or a device waits for ever. */
export async function needFile(files: ModelFiles, file: string): Promise<void> {
  const found = await stat(join(files.folder, file)).catch(() => null)
  if (found?.isFile() !== true)
    throw invalidModel(files.runtimeModelId, file, found === null ? 'is missing' : 'is no file')
}

function taskErrorOf(error: SessionError, files: ModelFiles, file: string): EngineError {
  switch (error.problem) {
    case 'missing':
      return invalidModel(files.runtimeModelId, file, 'is missing', error)
    case 'invalid_model':
      return invalidModel(files.runtimeModelId, file, error.message.replace(`${file}: `, ''), error)
    // Another agent, or this one when other models are gone, may have what is short here.
    case 'out_of_memory':
    case 'device_unavailable':
      return new EngineError(
        { code: error.problem, message: error.message.slice(0, 2000), retryable: true },
        { cause: error },
      )
  }
}
