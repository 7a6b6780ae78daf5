import { EngineError } from '../engine.ts'

/** An error that names the model, the file and the field. */
export function invalidModel(model: string, file: string, problem: string, cause?: unknown): EngineError {
  const message = `The model ${model} cannot be used: ${file}: ${problem}`.slice(0, 2000)
  return new EngineError({ code: 'invalid_model', message, retryable: false }, { cause })
}

/** What the runtime and the allocators below it say when memory is short: on the host, and on a device. */
const OUT_OF_MEMORY =
  /out of memory|bad_?alloc|failed to allocate|allocation failed|cudaErrorMemoryAllocation/i

/** Runs a network; a lack of memory becomes a typed error that a smaller batch may cure. */
export async function running<Said>(file: string, run: () => Promise<Said>): Promise<Said> {
  try {
    return await run()
  } catch (error) {
    if (!OUT_OF_MEMORY.test(messageOf(error))) throw error
    const message = `${file}: there is not enough memory for this batch: ${messageOf(error)}`.slice(0, 2000)
    throw new EngineError({ code: 'out_of_memory', message, retryable: true }, { cause: error })
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
