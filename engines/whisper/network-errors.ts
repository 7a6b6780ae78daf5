import { EngineError } from '../engine.ts'
import { emptyNumbers, type Numbers, type NumberType } from './values.ts'

/** What ONNX Runtime and the system say where memory ran out. */
const OUT_OF_MEMORY =
  /out of memory|failed to allocate|bad_alloc|alloc\w* (?:failed|error)|cannot allocate|CUDA error 2\b/i

/** What ONNX Runtime says where sizes do not fit. */
const MISFIT = /invalid (?:dimensions|rank)|dimension|broadcast|reshape|shape mismatch/i

/**
 * Runs the network of a file. Where that ends for want of memory, another try with less may help, and the error says so;
 * where sizes do not fit, no try will.
 */
export async function runNetwork<Output>(file: string, run: () => Promise<Output>): Promise<Output> {
  try {
    return await run()
  } catch (error) {
    if (isMemoryError(error)) throw outOfMemory(file, error)
    const message = error instanceof Error ? error.message : String(error)
    throw MISFIT.test(message) ? misfit(file, message, error) : error
  }
}

/** A network that is not of the sizes that its config.json says. */
export function misfit(file: string, problem: string, cause?: unknown): EngineError {
  const message = `${file}: does not have the sizes that config.json says: ${problem}`.slice(0, 2000)
  return new EngineError({ code: 'invalid_model', message, retryable: false }, { cause })
}

/** Room for numbers that part of a network is to write. */
export function roomFor(what: string, type: NumberType, length: number): Numbers {
  try {
    return emptyNumbers(type, length)
  } catch (error) {
    // `Array buffer allocation failed`, or more than an array can hold.
    throw error instanceof RangeError ? outOfMemory(what, error) : error
  }
}

function isMemoryError(error: unknown): boolean {
  return OUT_OF_MEMORY.test(error instanceof Error ? error.message : String(error))
}

export function outOfMemory(what: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `Memory ran out in ${what}: ${reason}`.slice(0, 2000)
  return new EngineError({ code: 'out_of_memory', message, retryable: true }, { cause })
}
