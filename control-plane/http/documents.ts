import { z } from 'zod'
import { CAPTION_DEFAULTS, type CaptionOptions, cuesOf, srtCue, textLine, vttCue } from '#core/captions.ts'
import type { ExportFormat } from '#protocol/api.ts'
import type { Segment } from '#protocol/transcript.ts'
import type { JobReading } from '../actions/jobs.ts'
import { parse } from './answers.ts'

/** Transcripts as streams of text: memory holds one segment, whatever the length. */
const CHUNK_LENGTH = 32 * 1024
type Segments = () => AsyncIterable<Segment>

const CaptionQuery = z.strictObject({
  max_line_length: z.coerce.number().int().min(10).max(200).default(CAPTION_DEFAULTS.maxLineLength),
  max_lines: z.coerce.number().int().min(1).max(10).default(CAPTION_DEFAULTS.maxLines),
})

/** The job with `text`, `segments` and `words` (each null until it completed), as JSON. */
export function jobDocument({ view, segments }: JobReading): ReadableStream<Uint8Array> {
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

export function exportBody(
  format: ExportFormat,
  reading: JobReading,
  segments: Segments,
  query: URLSearchParams,
): { readonly body: ReadableStream<Uint8Array>; readonly contentType: string } {
  const { max_line_length, max_lines } = parse(CaptionQuery, Object.fromEntries(query), 'query')
  const options = { maxLineLength: max_line_length, maxLines: max_lines }
  switch (format) {
    case 'json':
      return { body: jobDocument(reading), contentType: 'application/json; charset=utf-8' }
    case 'txt':
      return { body: streamOf(() => mapped(segments, textLine)), contentType: 'text/plain; charset=utf-8' }
    case 'srt':
      return {
        body: streamOf(() => srt(segments, options)),
        contentType: 'application/x-subrip; charset=utf-8',
      }
    case 'vtt':
      return { body: streamOf(() => vtt(segments, options)), contentType: 'text/vtt; charset=utf-8' }
  }
}

async function* srt(segments: Segments, options: CaptionOptions): AsyncGenerator<string> {
  let index = 0
  for await (const segment of segments())
    for (const cue of cuesOf(segment, options)) yield srtCue(cue, ++index)
}

async function* vtt(segments: Segments, options: CaptionOptions): AsyncGenerator<string> {
  yield 'WEBVTT\n\n'
  for await (const segment of segments()) for (const cue of cuesOf(segment, options)) yield vttCue(cue)
}

async function* mapped(segments: Segments, write: (segment: Segment) => string): AsyncGenerator<string> {
  for await (const segment of segments()) yield write(segment)
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
