import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { decodeModel } from './read-model.ts'
import { OnnxFormatError } from './wire-reader.ts'

export type Device = 'cpu' | 'cuda' | 'webgpu'

/**
 * `missing`: no such file. `invalid_model`: the file, or its weights beside it, are no model that the runtime can run.
 * `device_unavailable`: the box has none, or its libraries are not there. `out_of_memory`: of the host or device.
 */
export type SessionProblem = 'missing' | 'invalid_model' | 'device_unavailable' | 'out_of_memory'

/** Why a model has no session, in a sentence that names the file. */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly problem: SessionProblem
  readonly path: string

  constructor(problem: SessionProblem, path: string, reason: string, options?: ErrorOptions) {
    super(`${basename(path)}: ${reason}`, options)
    this.problem = problem
    this.path = path
  }
}

const OF_THE_DEVICE =
  /ExecutionProvider_|shared library|backend not found|cuda|cudnn|cublas|webgpu|adapter|vulkan/i

/** What ONNX Runtime threw, told apart by its message: it has no codes. */
export async function sessionErrorOf(error: unknown, path: string, device: Device): Promise<SessionError> {
  const message = error instanceof Error ? error.message : String(error)
  const reason = plain(message)
  if (/out of memory|failed to allocate memory|bad_alloc/i.test(message))
    return new SessionError('out_of_memory', path, `not enough memory: ${reason}`, { cause: error })
  if (/^(Load model|Deserialize|External data)/.test(message)) {
    const found = (await formatProblem(path)) ?? `ONNX Runtime refuses it: ${reason}`
    return new SessionError('invalid_model', path, found, { cause: error })
  }
  if (device !== 'cpu' && OF_THE_DEVICE.test(message))
    return new SessionError('device_unavailable', path, `${device} cannot be used: ${reason}`, {
      cause: error,
    })
  return new SessionError('invalid_model', path, `ONNX Runtime refuses it: ${reason}`, { cause: error })
}

/** The runtime only says that parsing failed: the own reader says where. */
async function formatProblem(path: string): Promise<string | null> {
  try {
    decodeModel(await readFile(path))
    return null
  } catch (error) {
    return error instanceof OnnxFormatError ? `the file is cut or no ONNX model: ${error.message}` : null
  }
}

/** Without the places in the runtime's own source. */
function plain(message: string): string {
  return message
    .replace(/^Load model from .*? failed:/, '')
    .replace(/\S+\.(cc|h):\d+ ([^)]*\)(::<lambda\(\)>)?|\w+) /g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500)
}
