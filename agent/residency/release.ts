/**
 * Whether a child gave back what its models took. It may keep the libraries that the first load brought in (ONNX Runtime's
 * are 32 MiB), and a little more: a heap is never quite as it was.
 */
export function isRetained(rssMib: number, beforeFirstLoadMib: number): boolean {
  return rssMib > beforeFirstLoadMib * RELEASED_RATIO + LIBRARIES_MIB
}

const RELEASED_RATIO = 1.3
const LIBRARIES_MIB = 64
