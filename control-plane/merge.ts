import { WorkerEntrypoint } from 'cloudflare:workers'
import type { MergeOrder } from '#core/job/effects.ts'
import { type MergeCounts, mergeSegment, mergeSummary, NOTHING_MERGED } from '#core/merge.ts'
import { jobIdOf } from '#protocol/ids.ts'
import type { TaskError, TaskOutcome } from '#protocol/task.ts'
import { readSegments, UnreadableArtifact } from '#store/artifacts.ts'
import { dropLateObject } from '#store/late-object.ts'
import { PartWriter } from '#store/part-writer.ts'
import { exactMessage, logError } from './access/log.ts'
import type { Bindings } from './env.ts'

const CONTENT_TYPE = 'application/jsonl'
const encoder = new TextEncoder()

/**
 * The engine `edge`: stage merge, in a stateless entrypoint of this Worker, so that a long transcript burdens no object.
 * It may run twice for one fence: it then writes the same object again. It always answers with an outcome: what throws
 * would be ordered again for ever, an outcome is counted.
 */
export class Merge extends WorkerEntrypoint<Bindings> {
  async run(order: MergeOrder): Promise<TaskOutcome> {
    const startedMs = Date.now()
    const source = order.inputs.find((input) => input.name === 'transcript.jsonl')
    if (source === undefined)
      return failed('missing_input', 'merge needs a transcript.jsonl, and got none', false)
    const key = `${order.outputPrefix}transcript.jsonl`
    const writer = new PartWriter(this.env.BUCKET, key, CONTENT_TYPE)
    try {
      const counts = await this.#write(writer, source.key, order)
      await dropLateObject(this.env.DB, this.env.BUCKET, jobIdOf(order.taskId), key)
      const artifact = {
        name: 'transcript.jsonl',
        key,
        size_bytes: writer.sizeBytes,
        content_type: CONTENT_TYPE,
      }
      return {
        status: 'completed',
        artifacts: [artifact],
        summary: mergeSummary(counts, order.parameters.granularity, order.transcription),
        metrics: { transfer_ms: 0, load_ms: 0, run_ms: Date.now() - startedMs },
      }
    } catch (cause) {
      logError('merge.failed', cause, { task_id: order.taskId })
      await writer.abort().catch(() => undefined) // storage that failed to take the parts may fail here too
      if (cause instanceof UnreadableArtifact) return failed('invalid_transcript', cause.message, false)
      return failed('merge_failed', exactMessage(cause).slice(0, 500), true)
    }
  }

  async #write(writer: PartWriter, sourceKey: string, order: MergeOrder): Promise<MergeCounts> {
    let counts = NOTHING_MERGED
    for await (const segment of readSegments(this.env.BUCKET, sourceKey)) {
      const merged = mergeSegment(counts, segment, order.parameters.granularity)
      counts = merged.counts
      await writer.write(encoder.encode(`${JSON.stringify(merged.segment)}\n`))
    }
    await writer.finish()
    return counts
  }
}

function failed(code: TaskError['code'], message: string, retryable: boolean): TaskOutcome {
  return { status: 'failed', error: { code, message, retryable } }
}
