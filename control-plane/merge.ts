import { WorkerEntrypoint } from 'cloudflare:workers'
import type { MergeOrder } from '#core/job/effects.ts'
import { MAX_HELD_LINES, type MergeLine, Merger } from '#core/merge.ts'
import { EmotionSpan, SpeakerTurn, TopicSpan } from '#protocol/documents.ts'
import { jobIdOf } from '#protocol/ids.ts'
import type { MergeSummary } from '#protocol/summary.ts'
import type { TaskError, TaskOutcome } from '#protocol/task.ts'
import { AudioEvent, Segment } from '#protocol/transcript.ts'
import { readLines } from '#store/artifacts.ts'
import { type DocumentKind, documentOf, inTimeOrder, UnreadableArtifact } from '#store/document.ts'
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
    const missing = missingOf(order)
    if (missing !== null) return failed('missing_input', `merge needs ${missing}, and got none`, false)
    const key = `${order.outputPrefix}transcript.jsonl`
    const writer = new PartWriter(this.env.BUCKET, key, CONTENT_TYPE)
    try {
      const summary = await this.#write(writer, order)
      await dropLateObject(this.env.JOB.getByName(jobIdOf(order.taskId)), this.env.BUCKET, key)
      const artifact = {
        name: 'transcript.jsonl',
        key,
        size_bytes: writer.sizeBytes,
        content_type: CONTENT_TYPE,
      }
      const metrics = { transfer_ms: 0, swap_ms: 0, load_ms: 0, run_ms: Date.now() - startedMs }
      return { status: 'completed', artifacts: [artifact], summary, metrics }
    } catch (cause) {
      logError('merge.failed', cause, { task_id: order.taskId })
      await writer.abort().catch(() => undefined) // storage that failed to take the parts may fail here too
      if (cause instanceof UnreadableArtifact) return failed('invalid_artifact', cause.message, false)
      return failed('merge_failed', exactMessage(cause).slice(0, 500), true)
    }
  }

  async #write(writer: PartWriter, order: MergeOrder): Promise<MergeSummary> {
    const merger = new Merger(order)
    const write = async (segments: readonly Segment[]) => {
      for (const segment of segments) await writer.write(encoder.encode(`${JSON.stringify(segment)}\n`))
    }
    for await (const line of inTimeOrder(this.#documents(order), ({ line }) => line.start)) {
      await write(merger.add(line))
      if (merger.heldLines > MAX_HELD_LINES) throw tooMuchAtOnce(order, line)
    }
    await write(merger.end())
    await writer.finish()
    return merger.summary()
  }

  /** Transcripts first: of equal starts their order is that of the channels. */
  #documents(order: MergeOrder): AsyncIterable<MergeLine>[] {
    const { transcripts, turnsKey, emotionsKey, topicsKey } = order
    const read = <Line extends MergeLine['line']>(
      kind: DocumentKind<Line>,
      key: string | null,
      as: (line: Line) => MergeLine,
    ) => (key === null ? [] : [mapped(documentOf(kind, key, readLines(this.env.BUCKET, key)), as)])
    return [
      ...transcripts.flatMap(({ key, channel }, index) => {
        const known = channel ?? (transcripts.length > 1 ? index : null)
        return read(SEGMENTS, key, (line) => ({ type: 'segment', channel: known, line }))
      }),
      ...read(TURNS, turnsKey, (line) => ({ type: 'turn', line })),
      ...read(EMOTIONS, emotionsKey, (line) => ({ type: 'emotion', line })),
      ...read(EVENTS, order.events?.key ?? null, (line) => ({ type: 'event', line })),
      ...read(TOPICS, topicsKey, (line) => ({ type: 'topic', line })),
    ]
  }
}

const SEGMENTS = { schema: Segment, noun: 'segment' }
const TURNS = { schema: SpeakerTurn, noun: 'speaker turn' }
const EMOTIONS = { schema: EmotionSpan, noun: 'emotion' }
const EVENTS = { schema: AudioEvent, noun: 'sound event' }
const TOPICS = { schema: TopicSpan, noun: 'topic' }

/** What the order must name and does not. */
function missingOf({ transcripts, diarizationSource, turnsKey }: MergeOrder): string | null {
  if (transcripts.length === 0) return 'a transcript.jsonl'
  return diarizationSource === 'diarize' && turnsKey === null ? 'the turns.jsonl of its speakers' : null
}

async function* mapped<Line>(
  lines: AsyncIterable<Line>,
  as: (line: Line) => MergeLine,
): AsyncGenerator<MergeLine> {
  for await (const line of lines) yield as(line)
}

function tooMuchAtOnce({ outputPrefix }: MergeOrder, { line }: MergeLine): UnreadableArtifact {
  const where = `merged under ${outputPrefix}`
  return new UnreadableArtifact(
    `more than ${MAX_HELD_LINES} lines of the artifacts ${where} overlap at ${line.start} s`,
  )
}

function failed(code: TaskError['code'], message: string, retryable: boolean): TaskOutcome {
  return { status: 'failed', error: { code, message, retryable } }
}
