import type { InferenceSession } from 'onnxruntime-node'

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

/** A session on the CPU. Loaded by path: a buffer would be held twice. */
export async function openSession(path: string, threads: number): Promise<InferenceSession> {
  const { InferenceSession } = await onnxRuntime()
  return InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Windows differ in length: a plan of memory for one length is of no use for the next.
    enableMemPattern: false,
  })
}
