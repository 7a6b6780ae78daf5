/** What a task that ran out of memory tries next. Pure. */
export interface Try {
  readonly batchScale: number
  /** The models that rest make way before it. */
  readonly alone: boolean
}

export const FIRST_TRY: Try = { batchScale: 1, alone: false }

export const OUT_OF_MEMORY = 'out_of_memory'

/** An eighth of a batch is close to one item: what does not run then does not run here. */
const LEAST_BATCH_SCALE = 1 / 8

/** Once more as it was, without the others; then with half the batch each time. Loading has no batch to halve. */
export function nextTry(failed: Try, during: 'load' | 'run'): Try | null {
  if (!failed.alone) return { batchScale: 1, alone: true }
  if (during === 'load' || failed.batchScale <= LEAST_BATCH_SCALE) return null
  return { batchScale: failed.batchScale / 2, alone: true }
}

/** For the one who waits. */
export function sentenceOfTry({ batchScale }: Try): string {
  if (batchScale === 1) return 'out of memory: trying again without the other models'
  return `out of memory: trying again with 1/${1 / batchScale} of the batch`
}

/** What runtimes say when an allocation failed: C++, ONNX Runtime and CUDA, Node, Python. */
const SAYINGS =
  /std::bad_alloc|Failed to allocate|out of memory|Array buffer allocation failed|Cannot allocate memory|MemoryError/i

export function saysOutOfMemory(text: string): boolean {
  return SAYINGS.test(text)
}
