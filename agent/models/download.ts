import type { Hub, OpenFile } from './hub.ts'
import { HubError, type HubFile } from './hub-error.ts'
import type { FileFacts } from './hub-headers.ts'
import { modelError } from './model-error.ts'
import { type FinishedFile, PartFile } from './part-file.ts'
import { type RetryOptions, retry } from './retry.ts'

export interface Download {
  readonly hub: Hub
  readonly file: HubFile
  /** What the hub said of the file, and the catalog before it. */
  readonly facts: FileFacts
  /** Where its bytes are gathered. */
  readonly partPath: string
  /** Where it lies when it is whole and right. */
  readonly target: string
  /** How much of it is here. */
  readonly onBytes: (bytes: number) => void
  /** Where nobody said its size: so much more will lie on the disk. Throws `EngineError` when there is no room for it. */
  readonly grow: (bytes: number) => Promise<void>
  readonly retry: RetryOptions
}

/**
 * One file from a hub: goes on where an earlier try or process left it, and comes to its place only when its size and digest
 * are right. A wrong digest costs one more try from the beginning. Throws `EngineError`.
 */
export async function download(order: Download): Promise<FinishedFile> {
  const { facts, file } = order
  const finished = await PartFile.finished(order.partPath, order.target, facts)
  if (finished !== null) return finished
  const part = await PartFile.open(order.partPath, facts)
  const room = facts.sizeBytes === null ? new GrowingRoom(part.bytes, order.grow) : null
  try {
    order.onBytes(part.bytes)
    for (let tries = 1; ; tries++) {
      await retry(
        () => fetchRest(part, order, room),
        order.retry,
        () => part.bytes,
      )
      const sha256 = part.sha256()
      if (facts.sha256 === null || sha256 === facts.sha256) {
        const sizeBytes = part.bytes
        await part.finish(order.target)
        return { sha256, sizeBytes }
      }
      order.onBytes(0)
      if (tries < TRIES_OF_A_DIGEST) {
        await part.restart()
        continue
      }
      await part.discard()
      const message = `${file.path} of ${file.repository} from ${order.hub.endpoint}: expected sha256 ${facts.sha256}, got ${sha256}, ${TRIES_OF_A_DIGEST} times. What was fetched is deleted.`
      throw modelError('model_digest_mismatch', message, false)
    }
  } finally {
    await part.close()
  }
}

/** A byte may fall over on its way once; twice it is another file. */
const TRIES_OF_A_DIGEST = 2

/** The room of a file whose size nobody said before its first byte. */
class GrowingRoom {
  readonly #grow: (bytes: number) => Promise<void>
  #bytes: number

  constructor(bytes: number, grow: (bytes: number) => Promise<void>) {
    this.#bytes = bytes
    this.#grow = grow
  }

  async upTo(bytes: number): Promise<void> {
    if (bytes <= this.#bytes) return
    await this.#grow(bytes - this.#bytes)
    this.#bytes = bytes
  }
}

/** One look at the disk for so many bytes, where the server does not say their number either. */
const GROW_BYTES = 1024 ** 2

async function fetchRest(part: PartFile, order: Download, room: GrowingRoom | null): Promise<void> {
  const { hub, file, facts, onBytes } = order
  const size = facts.sizeBytes
  if (size !== null && part.bytes === size) return
  const answer = await hub.open(file, part.bytes, part.rangeEtag).catch(async (error: unknown) => {
    if (error instanceof HubError && error.taskError.code === 'hub_bad_range') await part.restart()
    throw error
  })
  if (size !== null && answer.sizeBytes !== null && answer.sizeBytes !== size) {
    answer.close()
    throw wrongSize(hub, file, size, answer.sizeBytes)
  }
  try {
    await room?.upTo(answer.sizeBytes ?? 0)
  } catch (error) {
    answer.close()
    throw error
  }
  await takeFrom(part, answer)
  onBytes(part.bytes)
  for await (const chunk of answer.body) {
    if (size !== null && part.bytes + chunk.length > size)
      throw wrongSize(hub, file, size, part.bytes + chunk.length)
    const bytes = part.bytes + chunk.length
    await room?.upTo(answer.sizeBytes ?? Math.ceil(bytes / GROW_BYTES) * GROW_BYTES)
    await part.append(chunk)
    onBytes(part.bytes)
  }
  if (size !== null && part.bytes < size) {
    const message = `${hub.endpoint} ended ${file.path} of ${file.repository} after ${part.bytes} of ${size} bytes.`
    throw new HubError({ code: 'hub_truncated', message, retryable: true }, { retryAfterMs: null })
  }
}

/** A server that does not go on where we are, or has another file by now, sends the whole: so does the part begin anew. */
async function takeFrom(part: PartFile, answer: OpenFile): Promise<void> {
  if (answer.start !== part.bytes) await part.restart()
  if (answer.start !== part.bytes) {
    answer.close()
    throw new HubError(
      { code: 'hub_failed', message: `a range began at byte ${answer.start}, unasked`, retryable: true },
      { retryAfterMs: null },
    )
  }
  await part.comesFrom(answer.rangeEtag)
}

function wrongSize(hub: Hub, file: HubFile, expected: number, got: number): HubError {
  const message = `${file.path} of ${file.repository} from ${hub.endpoint}: expected ${expected} bytes, it has ${got}${got > expected ? ' or more' : ''}.`
  return new HubError({ code: 'model_size_mismatch', message, retryable: false }, null)
}
