import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { EngineError, type ModelFiles } from '../engine.ts'
import { openSession } from '../onnx/runtime.ts'
import { SessionError } from '../onnx/session-error.ts'
import { invalidModel } from './failures.ts'

/** A session of one of the model's files, on the model's device. Throws the `EngineError` that its problem is. */
export async function openNetwork(files: ModelFiles, file: string): Promise<InferenceSession> {
  try {
    return await openSession(join(files.folder, file), files)
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    throw taskErrorOf(error, files, file)
  }
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
