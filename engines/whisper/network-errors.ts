import { EngineError } from '../engine.ts'

/** What ONNX Runtime and the system say where memory ran out. */
const OUT_OF_MEMORY =
  /out of memory|failed to allocate|bad_alloc|alloc\w* (?:failed|error)|cannot allocate|CUDA error 2\b/i

/** Runs part of a network; where that ends for want of memory, another try with less may help, and the error says so. */
export async function runNetwork<Output>(what: string, run: () => Promise<Output>): Promise<Output> {
  try {
    return await run()
  } catch (error) {
    throw isMemoryError(error) ? outOfMemory(what, error) : error
  }
}

export function isMemoryError(error: unknown): boolean {
  return OUT_OF_MEMORY.test(error instanceof Error ? error.message : String(error))
}

export function outOfMemory(what: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `Memory ran out in ${what}: ${reason}`.slice(0, 2000)
  return new EngineError({ code: 'out_of_memory', message, retryable: true }, { cause })
}
