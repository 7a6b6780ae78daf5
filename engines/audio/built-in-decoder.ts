import { type FileHandle, open } from 'node:fs/promises'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { audioError } from './audio-error.ts'
import { chunkOf, refuseTooMany } from './channels.ts'
import type { AudioSource, DecodedChunk, DecodeRequest, Decoding } from './decoding.ts'
import { canResample, Resampler } from './resampler.ts'
import { toS16 } from './s16.ts'
import { readChannels, readMono, SAMPLE_BYTES, type SampleFormat } from './sample-format.ts'
import { readWavHeader } from './wav-header.ts'

/** About this many bytes at a time: 1.5 s of stereo at 44.1 kHz, so that progress and cancel are prompt. */
const READ_BYTES = 262_144

/** Where the samples of a file lie and how. */
interface Layout {
  readonly format: SampleFormat
  readonly dataStart: number
  readonly dataBytes: number
  readonly statedBytes: number
  readonly source: AudioSource
}

/** Reads WAV (RIFF, RF64, BW64) with its own reader; null where the file's codec or rate needs another decoder. */
export async function decodeWav(request: DecodeRequest): Promise<Decoding | null> {
  const file = await open(request.path)
  const { size } = await file.stat()
  const readAt = async (position: number, length: number) => {
    const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, position)
    return buffer.subarray(0, bytesRead)
  }
  const reading = await readWavHeader(readAt, size).finally(() => file.close())
  if (reading.type === 'broken')
    throw audioError('invalid_audio', `The file begins like a WAV file, but ${reading.problem}.`)
  if (reading.type === 'other_codec') return null
  const { header } = reading
  refuseTooMany(header.channels, request)
  if (!canResample(header.sampleRateHz, SAMPLE_RATE_HZ)) return null
  const source = {
    container: header.container,
    codec: header.codec,
    channels: header.channels,
    sample_rate_hz: header.sampleRateHz,
  }
  return decoding(request, { ...header, source })
}

/** Headerless samples, by their name: 16 kHz, mono, s16le. */
export async function decodeRaw(request: DecodeRequest): Promise<Decoding> {
  const file = await open(request.path)
  const { size } = await file.stat().finally(() => file.close())
  const source = { container: 'raw', codec: 'pcm_s16le', channels: 1, sample_rate_hz: SAMPLE_RATE_HZ }
  const dataBytes = size - (size % 2)
  return decoding(request, { format: 's16', dataStart: 0, dataBytes, statedBytes: dataBytes, source })
}

function decoding(request: DecodeRequest, layout: Layout): Decoding {
  const { channels, sample_rate_hz: rateHz } = layout.source
  const statedSeconds = layout.statedBytes / (SAMPLE_BYTES[layout.format] * channels * rateHz)
  return {
    decoder: 'built_in',
    chunks: chunks(request, layout),
    source: () => layout.source,
    statedSeconds: () => statedSeconds,
  }
}

async function* chunks(request: DecodeRequest, layout: Layout): AsyncGenerator<DecodedChunk> {
  const { channels, sample_rate_hz: rateHz } = layout.source
  const frameBytes = SAMPLE_BYTES[layout.format] * channels
  const readBytes = Math.max(1, Math.floor(READ_BYTES / frameBytes)) * frameBytes
  const isSplit = request.maxChannels !== null
  const resamplers =
    rateHz === SAMPLE_RATE_HZ ? [] : Resampler.several(isSplit ? channels : 1, rateHz, SAMPLE_RATE_HZ)
  const wantedBytes = Math.min(layout.dataBytes, Math.ceil(request.limitSeconds * rateHz) * frameBytes)
  const buffer = new Uint8Array(readBytes)
  const file = await open(request.path)
  try {
    for (let done = 0; done < wantedBytes; ) {
      request.signal.throwIfAborted()
      const wanted = Math.min(readBytes, wantedBytes - done)
      const { bytesRead } = await readFully(file, buffer.subarray(0, wanted), layout.dataStart + done)
      const read = buffer.subarray(0, bytesRead)
      const tracks = isSplit
        ? readChannels(read, layout.format, channels)
        : [readMono(read, layout.format, channels)]
      done += bytesRead
      const at16Khz = tracks.map((track, index) => toS16(resamplers[index]?.push(track) ?? track))
      yield chunkOf(at16Khz, request, done / layout.dataBytes)
      // The file became shorter while it was read: what there was is all there is.
      if (bytesRead < wanted) break
    }
    const rest = resamplers.map((resampler) => toS16(resampler.flush()))
    if (rest.length > 0) yield chunkOf(rest, request, 1)
  } finally {
    await file.close()
  }
}

/** A read may give less than asked before the end of the file. */
async function readFully(
  file: FileHandle,
  buffer: Uint8Array,
  position: number,
): Promise<{ bytesRead: number }> {
  let bytesRead = 0
  while (bytesRead < buffer.length) {
    const got = await file.read(buffer, bytesRead, buffer.length - bytesRead, position + bytesRead)
    if (got.bytesRead === 0) break
    bytesRead += got.bytesRead
  }
  return { bytesRead }
}
