/**
 * Whether a download fits, and what goes for it. Pure: the disk, the budget and the models come as arguments, and somebody
 * else deletes.
 */
export interface SpaceQuestion {
  readonly needBytes: number
  /** What the file system has free. */
  readonly diskFreeBytes: number
  /** What models may take in all; null: what the disk has. */
  readonly limitBytes: number | null
  /** What models take now, with what running downloads are still to write. */
  readonly usedBytes: number
  /** What running downloads are still to write. */
  readonly promisedBytes: number
  /** What may go: no model that is pinned or in use is in this list. */
  readonly candidates: readonly Candidate[]
}

export interface Candidate {
  readonly modelId: string
  readonly sizeBytes: number
  readonly lastUsedMs: number
}

export type SpacePlan =
  | { readonly ok: true; readonly evict: readonly string[] }
  /** What there would be if all candidates went. */
  | { readonly ok: false; readonly mostBytes: number }

/** The disk is not filled to its last byte: tasks and the system write there too. */
export const DISK_RESERVE_BYTES = 256 * 1024 ** 2

/** The least recently used go first, and no more than needed. */
export function planSpace(question: SpaceQuestion): SpacePlan {
  const oldestFirst = [...question.candidates].sort((a, b) => a.lastUsedMs - b.lastUsedMs)
  let availableBytes = availableOf(question)
  const evict: string[] = []
  for (const candidate of oldestFirst) {
    if (availableBytes >= question.needBytes) break
    availableBytes += candidate.sizeBytes
    evict.push(candidate.modelId)
  }
  if (availableBytes >= question.needBytes) return { ok: true, evict }
  return { ok: false, mostBytes: Math.max(0, availableBytes) }
}

/** May be negative, when the budget was made smaller or the disk filled from elsewhere. */
export function availableOf(question: Omit<SpaceQuestion, 'needBytes' | 'candidates'>): number {
  const { diskFreeBytes, promisedBytes, limitBytes, usedBytes } = question
  const onDisk = diskFreeBytes - DISK_RESERVE_BYTES - promisedBytes
  return limitBytes === null ? onDisk : Math.min(onDisk, limitBytes - usedBytes)
}
