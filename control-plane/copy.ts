import { WorkerEntrypoint } from 'cloudflare:workers'
import { jobIdOfKey } from '#core/dispatch.ts'
import type { FileCopy } from '#core/job/facts.ts'
import { dropLateObject } from '#store/late-object.ts'
import { PartWriter } from '#store/part-writer.ts'
import type { Bindings } from './env.ts'

/**
 * Copies a rerun's files in a stateless entrypoint of this Worker: audio passes no Durable Object. It may run twice: the
 * same objects are then written again.
 */
export class Copy extends WorkerEntrypoint<Bindings> {
  /** The first key that is not there any more; null when all were copied. */
  async run(copies: readonly FileCopy[]): Promise<string | null> {
    for (const copy of copies) {
      const object = await this.env.BUCKET.get(copy.fromKey)
      if (object === null) return copy.fromKey
      await this.#write(object.body, copy)
    }
    return null
  }

  async #write(body: ReadableStream<Uint8Array>, { toKey, contentType }: FileCopy): Promise<void> {
    const writer = new PartWriter(this.env.BUCKET, toKey, contentType)
    try {
      for await (const bytes of body) await writer.write(bytes)
      await writer.finish()
    } catch (cause) {
      await writer.abort().catch(() => undefined) // storage that failed to take the parts may fail here too
      throw cause
    }
    await dropLateObject(this.env.JOB.getByName(jobIdOfKey(toKey)), this.env.BUCKET, toKey)
  }
}
