import { type FileHandle, open } from 'node:fs/promises'
import { SpeechRegion } from '#protocol/audio.ts'
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

/** A line of `transcript.jsonl`. */
export async function writeSegment(output: FileHandle, segment: Segment): Promise<void> {
  await output.writeFile(`${JSON.stringify(segment)}\n`)
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
