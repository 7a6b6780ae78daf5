import { refitted } from './channels.ts'
import { bytesOf } from './s16.ts'

/** Frames of s16 samples as node-av gives them. */
type NodeAv = typeof import('node-av/api')
type Filter = ReturnType<NodeAv['FilterAPI']['create']>
export type Frame = ReturnType<Filter['processAllSync']>[number]

/** AV_CHANNEL_ORDER_NATIVE, which is 1 for good in FFmpeg's ABI; the package's brand on it is of its types alone. */
const NATIVE_ORDER = 1 as Frame['channelLayout']['order']

/** Many channels have no places in a room, and without places no filter takes them: any will do where none are mixed. */
export function placeChannels(frame: Frame): void {
  const { nbChannels, mask } = frame.channelLayout
  if (mask === 0n)
    frame.channelLayout = { nbChannels, order: NATIVE_ORDER, mask: (1n << BigInt(nbChannels)) - 1n }
}

export function channelsOf(frames: readonly Frame[]): number {
  return Math.max(1, frames[0]?.channels ?? 1)
}

/** The interleaved samples of s16 frames, which are freed. A recording keeps to the channels that it begins with. */
export function joined(frames: readonly Frame[], channels: number): Int16Array {
  const result = new Int16Array(frames.reduce((sum, frame) => sum + frame.nbSamples, 0) * channels)
  let at = 0
  for (const frame of frames) {
    const { nbSamples, channels: own } = frame
    const part = result.subarray(at, at + nbSamples * channels)
    if (own === channels) copySamples(frame, part)
    else {
      const samples = new Int16Array(nbSamples * own)
      copySamples(frame, samples)
      part.set(refitted(samples, own, channels))
    }
    at += part.length
    frame.free()
  }
  return result
}

/** A frame's buffer may be longer than its samples, and need not lie at an even address. */
function copySamples(frame: Frame, samples: Int16Array): void {
  const bytes = frame.data?.[0]?.subarray(0, samples.byteLength)
  if (bytes !== undefined) bytesOf(samples).set(bytes)
}
