import { z } from 'zod'
import {
  CAPTION_DEFAULTS,
  type CaptionOptions,
  cuesOf,
  speakerLead,
  srtCue,
  textLine,
  vttCue,
} from '#core/captions.ts'
import type { ExportFormat } from '#protocol/api.ts'
import type { JobView } from '#protocol/job.ts'
import type { Segment } from '#protocol/transcript.ts'
import { parse } from './answers.ts'

/** Transcripts as streams of text: memory holds one segment, whatever the length. */
const CHUNK_LENGTH = 32 * 1024
type Segments = () => AsyncIterable<Segment>

interface Reading {
  readonly view: JobView
  readonly segments: Segments | null
}

const ExportQuery = z.strictObject({
  max_line_length: z.coerce.number().int().min(10).max(200).default(CAPTION_DEFAULTS.maxLineLength),
  max_lines: z.coerce.number().int().min(1).max(10).default(CAPTION_DEFAULTS.maxLines),
  include_speakers: z
    .enum(['true', 'false'])
    .default('true')
    .transform((value) => value === 'true'),
})

/** The job with `text`, `segments` and `words` (each null until it completed), as JSON. */
export function jobDocument({ view, segments }: Reading): ReadableStream<Uint8Array> {
  return streamOf(async function* () {
    const head = JSON.stringify(view).slice(0, -1)
    if (segments === null) {
      yield `${head},"text":null,"segments":null,"words":null}`
      return
    }
    yield `${head},"text":"`
    yield* joined(segments, ' ', (segment) => [JSON.stringify(segment.text).slice(1, -1)])
    yield '","segments":['
    yield* joined(segments, ',', (segment) => [JSON.stringify(segment)])
    yield '],"words":['
    yield* joined(segments, ',', (segment) => segment.words.map((word) => JSON.stringify(word)))
    yield ']}'
  })
}

/** @throws ProblemError when the query is not valid */
export function exportBody(
  format: ExportFormat,
  { view }: Pick<Reading, 'view'>,
  transcript: Segments,
  query: URLSearchParams,
): { readonly body: ReadableStream<Uint8Array>; readonly contentType: string } {
  const { max_line_length, max_lines, include_speakers } = parse(
    ExportQuery,
    Object.fromEntries(query),
    'query',
  )
  const options = { maxLineLength: max_line_length, maxLines: max_lines }
  const segments = include_speakers ? transcript : () => withoutSpeakers(transcript)
  switch (format) {
    case 'json':
      return { body: jobDocument({ view, segments }), contentType: 'application/json; charset=utf-8' }
    case 'txt':
      return { body: streamOf(() => txt(segments)), contentType: 'text/plain; charset=utf-8' }
    case 'srt':
      return {
        body: streamOf(() => srt(segments, options)),
        contentType: 'application/x-subrip; charset=utf-8',
      }
    case 'vtt':
      return { body: streamOf(() => vtt(segments, options)), contentType: 'text/vtt; charset=utf-8' }
  }
}

async function* withoutSpeakers(segments: Segments): AsyncGenerator<Segment> {
  for await (const segment of segments()) yield { ...segment, speaker: null }
}

async function* txt(segments: Segments): AsyncGenerator<string> {
  let before: Segment | null = null
  for await (const segment of segments()) {
    yield textLine(segment, before)
    before = segment
  }
}

async function* srt(segments: Segments, options: CaptionOptions): AsyncGenerator<string> {
  let index = 0
  for await (const segment of segments())
    for (const cue of cuesOf(segment, options, speakerLead(segment))) yield srtCue(cue, ++index)
}

async function* vtt(segments: Segments, options: CaptionOptions): AsyncGenerator<string> {
  yield 'WEBVTT\n\n'
  for await (const segment of segments())
    for (const cue of cuesOf(segment, options)) yield vttCue(cue, segment.speaker)
}

async function* joined(
  segments: Segments,
  separator: string,
  write: (segment: Segment) => readonly string[],
): AsyncGenerator<string> {
  let isFirst = true
  for await (const segment of segments()) {
    for (const text of write(segment)) {
      yield isFirst ? text : `${separator}${text}`
      isFirst = false
    }
  }
}

/** Texts gather until a chunk is worth sending: a word each would cost more than the words. */
function streamOf(texts: () => AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const iterator = texts()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk: string[] = []
      for (let length = 0; length < CHUNK_LENGTH; ) {
        const next = await iterator.next()
        if (next.done === true) {
          if (length > 0) controller.enqueue(encoder.encode(chunk.join('')))
          controller.close()
          return
        }
        chunk.push(next.value)
        length += next.value.length
      }
      controller.enqueue(encoder.encode(chunk.join('')))
    },
    async cancel() {
      await iterator.return(undefined)
    },
  })
}
