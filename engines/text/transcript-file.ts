import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { SpeechRegion } from '#protocol/audio.ts'
import type { TranscribeSummary } from '#protocol/summary.ts'
import type { Segment } from '#protocol/transcript.ts'

/** The files of a transcriber beside the sound: the regions that it reads, the segments that it writes, and how far it is. */

/** The lines of `speech.jsonl`, one at a time. Regions come in time order, or sound would be left out unnoticed. */
export async function* readRegions(path: string): AsyncGenerator<SpeechRegion> {
  await using file = await open(path)
  let number = 0
  let start = 0
  for await (const line of file.readLines({ autoClose: false })) {
    number += 1
    if (line === '') continue
    const region = regionOf(line, number)
    if (region.start < start)
      throw new Error(
        `speech.jsonl, line ${number}: expected regions in time order, ${region.start} comes after ${start}`,
      )
    if (region.end < region.start)
      throw new Error(`speech.jsonl, line ${number}: expected an end behind its start`)
    start = region.start
    yield region
  }
}

type Counts = Pick<TranscribeSummary, 'no_speech' | 'segment_count' | 'word_count' | 'character_count'>

/** The `transcript.jsonl` that a transcriber writes, line by line, and what its summary says of it. */
export class TranscriptFile implements AsyncDisposable {
  readonly #file: FileHandle
  #segments = 0
  #words = 0
  #characters = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(outputFolder: string): Promise<TranscriptFile> {
    return new TranscriptFile(await open(join(outputFolder, 'transcript.jsonl'), 'w'))
  }

  /** `wordCount` where the segment goes without the words that it has. */
  async write(segment: Segment, wordCount: number = segment.words.length): Promise<void> {
    this.#segments += 1
    this.#words += wordCount
    this.#characters += segment.text.length
    await this.#file.writeFile(`${JSON.stringify(segment)}\n`)
  }

  get counts(): Counts {
    return {
      no_speech: this.#words === 0,
      segment_count: this.#segments,
      word_count: this.#words,
      character_count: this.#characters,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

/** How much of the sound is done at a moment of the recording, with one decimal; an empty one is done. */
export function percentOf(seconds: number, audio: { readonly start: number; readonly end: number }): number {
  if (audio.end <= audio.start) return 100
  const part = (seconds - audio.start) / (audio.end - audio.start)
  return Math.round(Math.min(1, Math.max(0, part)) * 1000) / 10
}

function regionOf(line: string, number: number): SpeechRegion {
  try {
    return SpeechRegion.parse(JSON.parse(line))
  } catch (cause) {
    throw new Error(`speech.jsonl, line ${number}: expected a start and an end in seconds`, { cause })
  }
}
