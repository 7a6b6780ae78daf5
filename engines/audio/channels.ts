import { audioError } from './audio-error.ts'
import type { DecodedChunk, DecodeRequest } from './decoding.ts'

/** Channels of one recording, each by itself. Pure. */

/** FFmpeg knows where in a room so many channels stand, at least: 7.1 is the last of the usual layouts. */
export const MOST_PLACED_CHANNELS = 8

/** What a decoder gives: the mean of the channels, so that nothing clips, and the channels where they were asked for. */
export function chunkOf(
  channels: readonly Int16Array[],
  { maxChannels }: DecodeRequest,
  fraction: number | null,
): DecodedChunk {
  return { samples: mixOf(channels), channels: maxChannels === null ? [] : channels, fraction }
}

/** Frames of `count` samples to one array a channel. */
export function apart(frames: Int16Array, count: number): Int16Array[] {
  if (count === 1) return [frames]
  return Array.from({ length: count }, (_, channel) => {
    const samples = new Int16Array(frames.length / count)
    for (let at = 0, from = channel; at < samples.length; at++, from += count) samples[at] = frames[from] ?? 0
    return samples
  })
}

/** Frames of a part with another number of channels than the rest: their mix in each of `count`. */
export function refitted(frames: Int16Array, channels: number, count: number): Int16Array {
  const mix = mixOf(apart(frames, channels))
  return Int16Array.from({ length: mix.length * count }, (_, at) => mix[Math.floor(at / count)] ?? 0)
}

/** @throws EngineError where the request splits channels, and there are more than it takes. */
export function refuseTooMany(channels: number, { maxChannels }: DecodeRequest): void {
  if (maxChannels === null || channels <= maxChannels) return
  throw audioError(
    'too_many_channels',
    `The recording has ${channels} channels; at most ${maxChannels} can be transcribed one by one. Send fewer, or leave out speaker_detection=per_channel: then their mix is transcribed.`,
  )
}

function mixOf(channels: readonly Int16Array[]): Int16Array {
  const [first = new Int16Array(0), ...others] = channels
  if (others.length === 0) return first
  const mix = new Int16Array(first.length)
  for (let at = 0; at < mix.length; at++) {
    let sum = first[at] ?? 0
    for (const other of others) sum += other[at] ?? 0
    mix[at] = Math.round(sum / channels.length)
  }
  return mix
}
