import { WorkerEntrypoint } from 'cloudflare:workers'
import type { MergeOrder } from '#core/job/effects.ts'
import { mergeSegment, mergeSummary, NOTHING_MERGED } from '#core/merge.ts'
import type { TaskError, TaskOutcome } from '#protocol/task.ts'
import { Segment } from '#protocol/transcript.ts'
import { readLines } from '#store/artifacts.ts'
import { PartWriter } from '#store/part-writer.ts'
import type { Bindings } from './env.ts'

const CONTENT_TYPE = 'application/jsonl'
const encoder = new TextEncoder()

/**
 * The engine `edge`: stage merge, in a stateless entrypoint of this Worker, so that a long transcript burdens no object.
 * It may run twice for one fence: it then writes the same object again.
 */
export class Merge extends WorkerEntrypoint<Bindings> {
  async run(order: MergeOrder): Promise<TaskOutcome> {
    const startedMs = Date.now()
    const source = order.inputs.find((input) => input.name === 'transcript.jsonl')
    if (source === undefined)
      return failed('missing_input', 'merge needs a transcript.jsonl, and got none', false)
    const key = `${order.outputPrefix}transcript.jsonl`
    const writer = new PartWriter(this.env.BUCKET, key, CONTENT_TYPE)
    const { granularity } = order.parameters
    let counts = NOTHING_MERGED
    for await (const line of readLines(this.env.BUCKET, source.key)) {
      const parsed = Segment.safeParse(JSON.parse(line))
      if (!parsed.success) {
        await writer.abort()
        return failed(
          'invalid_transcript',
          `segment ${counts.segments} of the transcriber is malformed`,
          false,
        )
      }
      const merged = mergeSegment(counts, parsed.data, granularity)
      counts = merged.counts
      await writer.write(encoder.encode(`${JSON.stringify(merged.segment)}\n`))
    }
    await writer.finish()
    const artifact = {
      name: 'transcript.jsonl',
      key,
      size_bytes: writer.sizeBytes,
      content_type: CONTENT_TYPE,
    }
    return {
      status: 'completed',
      artifacts: [artifact],
      summary: mergeSummary(counts, granularity, order.transcription),
      metrics: { transfer_ms: 0, load_ms: 0, run_ms: Date.now() - startedMs },
    }
  }
}

function failed(code: TaskError['code'], message: string, retryable: boolean): TaskOutcome {
  return { status: 'failed', error: { code, message, retryable } }
}
