import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { exportBody } from '#control-plane/http/documents.ts'
import { type MergeLine, Merger } from '#core/merge.ts'
import { SpeakerTurn } from '#protocol/documents.ts'
import type { JobView } from '#protocol/job.ts'
import { AudioEvent, Segment } from '#protocol/transcript.ts'
import { type DocumentKind, documentOf, inTimeOrder } from '#store/document.ts'
import { aRule, said, turn } from '#tests/core/kit/merging.ts'

/**
 * Ten hours of words (108,000 words, 12,000 segments that become 18,000, 6,000 turns, 12,000 events, and music under all of them), as lines
 * that are made when they are asked for: what stays in memory is what merge and the exports keep.
 */
const SEGMENT_SECONDS = 3
const TURN_SECONDS = 6
const SAMPLE_EVERY = 500
const FORMATS = ['json', 'srt', 'vtt', 'txt'] as const
const GROWTH_LIMIT_MIB = 1

setFlagsFromString('--expose-gc')
// The flag makes `gc` a global of contexts that are made after it.
const collectGarbage = runInNewContext('gc') as () => void

// The exports look at nothing of the view but pass it on as JSON.
const view = { id: 'job_long' } as unknown as JobView
const rules = aRule({ diarizationSource: 'diarize', events: { key: 'events' } })

it('[M16] ten hours are merged and exported with the memory of one hour', async () => {
  await measured(0.1) // what any run loads and compiles once
  const one = await measured(1)
  const ten = await measured(10)
  console.info('merge and export, 1 h and 10 h:', one, ten)
  expect(ten.words).toBe(108_000)
  expect(Math.max(one.mostHeld, ten.mostHeld)).toBeLessThan(200)
  expect(ten.peakMib - one.peakMib).toBeLessThan(GROWTH_LIMIT_MIB)
})

/** Merges for itself, and once for every reading of the four exports, as a reader of the written transcript does. */
async function measured(hours: number) {
  const meter = new HeapMeter()
  const startMs = performance.now()
  const merger = new Merger(rules)
  for await (const _ of mergedBy(merger, hours, meter)) meter.tick()
  const mergeSeconds = (performance.now() - startMs) / 1000
  let exportedBytes = 0
  for (const format of FORMATS) {
    const transcript = () => mergedBy(new Merger(rules), hours, meter)
    const { body } = exportBody(format, { view }, transcript, new URLSearchParams())
    for await (const chunk of body) {
      exportedBytes += chunk.byteLength
      meter.tick()
    }
  }
  const { segment_count: segments, word_count: words } = merger.summary()
  const { peakMib, mostHeld } = meter
  const exportedMib = exportedBytes / 1024 ** 2
  return { hours, segments, words, mostHeld, mergeSeconds, exportedMib, peakMib }
}

async function* mergedBy(merger: Merger, hours: number, meter: HeapMeter): AsyncGenerator<Segment> {
  for await (const line of inTimeOrder(documents(hours * 3600), ({ line }) => line.start)) {
    yield* merger.add(line)
    meter.mostHeld = Math.max(meter.mostHeld, merger.heldLines)
  }
  yield* merger.end()
}

function documents(seconds: number): AsyncIterable<MergeLine>[] {
  const read = <Line extends MergeLine['line']>(
    kind: DocumentKind<Line>,
    lines: Iterable<Line>,
    as: (line: Line) => MergeLine,
  ) => mapped(documentOf(kind, kind.noun, written(lines)), as)
  const heard = (start: number, end: number, label: string) => ({ start, end, label, confidence: null })
  return [
    read(
      { schema: Segment, noun: 'segment' },
      every(SEGMENT_SECONDS, seconds, (start) => spoken(start)),
      (line) => ({ type: 'segment', channel: null, line }),
    ),
    read(
      { schema: SpeakerTurn, noun: 'turn' },
      every(TURN_SECONDS, seconds, (start) => turn((start / TURN_SECONDS) % 2, start + 1, start + 7.5)),
      (line) => ({ type: 'turn', line }),
    ),
    read(
      { schema: AudioEvent, noun: 'event' },
      every(SEGMENT_SECONDS, seconds, (start) =>
        start === 0 ? heard(0, seconds, 'music') : heard(start, start + 0.5, 'door'),
      ),
      (line) => ({ type: 'event', line }),
    ),
  ]
}

/** Nine words in three seconds. */
function spoken(start: number): Segment {
  const segment = said('so these are the nine words of a segment', 0)
  const words = segment.words.map((word) => ({
    ...word,
    start: start + word.start / 3,
    end: start + word.end / 3,
  }))
  return { ...segment, start, end: start + SEGMENT_SECONDS, words }
}

function* every<T>(step: number, seconds: number, of: (start: number) => T): Generator<T> {
  for (let start = 0; start < seconds; start += step) yield of(start)
}

async function* written(lines: Iterable<unknown>): AsyncGenerator<string> {
  for (const line of lines) yield JSON.stringify(line)
}

async function* mapped<Line>(
  lines: AsyncIterable<Line>,
  as: (line: Line) => MergeLine,
): AsyncGenerator<MergeLine> {
  for await (const line of lines) yield as(line)
}

/** The most that was alive at once: the heap after a collection, at every so many steps. */
class HeapMeter {
  peakMib = 0
  mostHeld = 0
  #ticks = 0

  tick(): void {
    if (this.#ticks++ % SAMPLE_EVERY !== 0) return
    collectGarbage()
    this.peakMib = Math.max(this.peakMib, process.memoryUsage().heapUsed / 1024 ** 2)
  }
}
