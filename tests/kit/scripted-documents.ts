import { readFile, writeFile } from 'node:fs/promises'
import type { Transcript } from '#engines/engine.ts'
import { PEAKS_PER_SECOND, roundSeconds, SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { PiiEntity, type SpeakerTurn } from '#protocol/documents.ts'
import type { SpeakerHints } from '#protocol/task.ts'
import { Segment, type Word } from '#protocol/transcript.ts'

/** The small, valid documents that the scripted engines write. */

/** Silence of one channel, as prepare would write it. */
export function silence(seconds: number): { audio: Buffer; peaks: Buffer } {
  const samples = Math.round(seconds * SAMPLE_RATE_HZ)
  return { audio: Buffer.alloc(samples * 2), peaks: Buffer.alloc(Math.ceil(seconds * PEAKS_PER_SECOND)) }
}

const WORDS_A_SEGMENT = 5

/** The text spread evenly over the recording. */
export function segmentsOf(
  text: string,
  seconds: number,
  has: { readonly words: boolean; readonly speakers: number; readonly channel: number | null },
): Segment[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  const at = (index: number) => roundSeconds((seconds * index) / words.length)
  const starts = words.map((_, index) => index).filter((index) => index % WORDS_A_SEGMENT === 0)
  return starts.map((first, id) => {
    const said = words.slice(first, first + WORDS_A_SEGMENT)
    const bare = {
      id,
      start: at(first),
      end: at(first + said.length),
      text: said.join(' '),
      confidence: null,
      speaker: has.speakers === 0 ? null : speakerName(id % has.speakers),
      words: [],
      ...(has.channel !== null && { channel: has.channel }),
    }
    return has.words ? aligned(bare) : bare
  })
}

/** The segment with times for its words. */
export function aligned(segment: Segment): Segment {
  const texts = segment.text.split(' ')
  const at = (index: number) =>
    roundSeconds(segment.start + ((segment.end - segment.start) * index) / texts.length)
  const words = texts.map((text, index) => ({ text, start: at(index), end: at(index + 1), confidence: null }))
  return { ...segment, words }
}

export function speakerCount(hints: SpeakerHints | null): number {
  return hints?.count ?? hints?.max ?? Math.max(2, hints?.min ?? 0)
}

/** Everybody speaks twice. */
export function turnsOf(seconds: number, speakers: number): SpeakerTurn[] {
  const at = (index: number) => roundSeconds((seconds * index) / (2 * speakers))
  return Array.from({ length: 2 * speakers }, (_, index) => ({
    start: at(index),
    end: at(index + 1),
    speaker: speakerName(index % speakers),
  }))
}

/** The segment with `secrets` taken out of text and words, and where they stood. Offsets are of the redacted text. */
export function redacted(
  segment: Segment,
  secrets: readonly string[],
  type: string,
): { readonly segment: Segment; readonly entities: PiiEntity[] } {
  const mask = `[${type.toUpperCase()}]`
  const hides = (text: string) => secrets.includes(text)
  const texts = segment.text.split(' ')
  const text = texts.map((each) => (hides(each) ? mask : each)).join(' ')
  const words = segment.words.map((word): Word => (hides(word.text) ? { ...word, text: mask } : word))
  let offset = 0
  const entities = texts.flatMap((each, index) => {
    const from = offset
    offset += (hides(each) ? mask : each).length + 1
    if (!hides(each)) return []
    const { start, end } = segment.words[index] ?? segment
    const place = { segment_id: segment.id, offset: from, length: mask.length }
    return [PiiEntity.parse({ start, end, type, ...place, confidence: null })]
  })
  return { segment: { ...segment, text, words }, entities }
}

/** All channels' segments in time order, each with its channel. */
export async function readTranscripts(transcripts: readonly Transcript[]): Promise<Segment[]> {
  const each = await Promise.all(
    transcripts.map(async ({ channel, path }) =>
      (await readLines(path)).map((line) => {
        const segment = Segment.parse(line)
        return channel === null ? segment : { ...segment, channel }
      }),
    ),
  )
  const inOrder = each.flat().sort((a, b) => a.start - b.start)
  return inOrder.map((segment, id) => ({ ...segment, id }))
}

export async function readLines(path: string): Promise<unknown[]> {
  const lines = (await readFile(path, 'utf8')).split('\n')
  return lines.filter((line) => line !== '').map((line): unknown => JSON.parse(line))
}

export async function writeLines(path: string, lines: readonly object[]): Promise<void> {
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

function speakerName(index: number): string {
  return `SPEAKER_${String(index).padStart(2, '0')}`
}
