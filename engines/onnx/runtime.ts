import { stat } from 'node:fs/promises'
import type { InferenceSession } from 'onnxruntime-node'
import type { OnnxModel } from './graph.ts'
import { type Device, SessionError, sessionErrorOf } from './session-error.ts'
import { encodeModel } from './write-model.ts'

type Onnx = typeof import('onnxruntime-node')

let loaded: Promise<Onnx> | null = null

/**
 * The ONNX Runtime binding. Its Linux binary writes usage events to disk unless the variable is set before it loads: the
 * agent sets it in the child's environment, this is for everyone else.
 */
export function onnxRuntime(): Promise<Onnx> {
  process.env.ORT_DISABLE_TELEMETRY = '1'
  loaded ??= import('onnxruntime-node')
  return loaded
}

export interface SessionOptions {
  /** How many cores one run may use. */
  readonly threads: number
  /** What computes; operators that it does not have fall to the CPU. */
  readonly device?: Device
  /** Plan memory once for all runs: only where every run has the same shapes. */
  readonly memoryPattern?: boolean
}

/**
 * A session, loaded by path: a buffer would be held twice. Throws a `SessionError`; a device that is not there is one too,
 * never a silent change to the CPU.
 */
export async function openSession(path: string, options: SessionOptions): Promise<InferenceSession> {
  const { InferenceSession } = await onnxRuntime()
  if ((await stat(path).catch(() => null)) === null)
    throw new SessionError('missing', path, 'the file does not exist')
  try {
    return await InferenceSession.create(path, settingsFor(options))
  } catch (error) {
    throw await sessionErrorOf(error, path, options.device ?? 'cpu')
  }
}

/** A session of a small model that was made here, such as a front end. Throws a `SessionError` with the graph's name. */
export async function openModel(model: OnnxModel, options: SessionOptions): Promise<InferenceSession> {
  const { InferenceSession } = await onnxRuntime()
  try {
    return await InferenceSession.create(encodeModel(model), settingsFor(options))
  } catch (error) {
    throw await sessionErrorOf(error, model.graph.name, options.device ?? 'cpu')
  }
}

function settingsFor({ threads, device = 'cpu', memoryPattern = false }: SessionOptions) {
  return {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    enableMemPattern: memoryPattern,
    // Threads that spin while they wait burn the cores that the box's other work needs: where both of two cores were busy,
    // runs took up to twice as long with it.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  } as const
}
