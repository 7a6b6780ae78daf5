import type { SampleFormat } from './sample-format.ts'

/** What a WAV file says about itself, and where its samples lie. */
export interface WavHeader {
  readonly container: 'wav' | 'rf64'
  readonly format: SampleFormat
  readonly codec: string
  readonly channels: number
  readonly sampleRateHz: number
  readonly dataStart: number
  /** Whole frames only, and never past the end of the file. */
  readonly dataBytes: number
  /** What the header says; more than `dataBytes` in a file that was cut. */
  readonly statedBytes: number
}

export type WavReading =
  | { readonly type: 'header'; readonly header: WavHeader }
  /** RIFF/WAVE, but with a codec that another decoder must read. */
  | { readonly type: 'other_codec'; readonly codec: string }
  | { readonly type: 'broken'; readonly problem: string }

/** Reads up to `length` bytes at `position`; fewer at the end of the file. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>

/** A file of this many small chunks before its samples is no recording. */
const MAX_CHUNKS = 10_000
const UNKNOWN_SIZE = 0xffff_ffff
const CODECS: Readonly<Record<number, string>> = {
  1: 'pcm',
  3: 'pcm_f',
  6: 'pcm_alaw',
  7: 'pcm_mulaw',
}

/** True for the first bytes of a file that `readWavHeader` understands. */
export function isWav(head: Uint8Array): boolean {
  const kind = fourCc(head, 0)
  return (kind === 'RIFF' || kind === 'RF64' || kind === 'BW64') && fourCc(head, 8) === 'WAVE'
}

/**
 * Walks the chunks of a RIFF, RF64 or BW64 file with small reads. A size that a streaming writer never filled in
 * (0xFFFFFFFF, or 0 with samples behind it), and one past the end of the file, mean: up to the end.
 */
export async function readWavHeader(readAt: ReadAt, fileBytes: number): Promise<WavReading> {
  const wide = fourCc(await readAt(0, 4), 0) !== 'RIFF'
  let position = 12
  let wideDataBytes: number | null = null
  let description: Description | null = null
  for (let count = 0; count < MAX_CHUNKS; count++) {
    const head = await readAt(position, 8)
    if (head.length < 8) break
    const kind = fourCc(head, 0)
    const size = viewOf(head).getUint32(4, true)
    const start = position + 8
    if (kind === 'ds64') {
      const body = await readAt(start, 16)
      if (body.length === 16) wideDataBytes = Number(viewOf(body).getBigUint64(8, true))
    }
    if (kind === 'fmt ') description = describe(await readAt(start, Math.min(size, 40)))
    if (kind === 'data') {
      if (description === null) return broken('its data comes before its format')
      if (description.type !== 'format') return description
      const stated = size === UNKNOWN_SIZE && wideDataBytes !== null ? wideDataBytes : size
      const left = Math.max(0, fileBytes - start)
      const unfinished =
        stated === UNKNOWN_SIZE || (stated === 0 && !(await isChunk(readAt, start, fileBytes)))
      const dataBytes = unfinished ? left : Math.min(stated, left)
      const { blockBytes, ...format } = description.format
      return {
        type: 'header',
        header: {
          ...format,
          container: wide ? 'rf64' : 'wav',
          dataStart: start,
          dataBytes: dataBytes - (dataBytes % blockBytes),
          statedBytes: unfinished ? dataBytes : stated,
        },
      }
    }
    // Chunks begin at even positions.
    position = start + size + (size % 2)
  }
  return broken(description === null ? 'it has no format chunk' : 'it has no data chunk')
}

interface Format extends Pick<WavHeader, 'format' | 'codec' | 'channels' | 'sampleRateHz'> {
  readonly blockBytes: number
}

type Description =
  | Exclude<WavReading, { type: 'header' }>
  | { readonly type: 'format'; readonly format: Format }

function describe(body: Uint8Array): Description {
  if (body.length < 16) return broken(`its format chunk has ${body.length} bytes, at least 16 are needed`)
  const view = viewOf(body)
  const extensible = view.getUint16(0, true) === 0xfffe && body.length >= 26
  // WAVE_FORMAT_EXTENSIBLE: the codec is the head of the sub-format's GUID.
  const tag = view.getUint16(extensible ? 24 : 0, true)
  const channels = view.getUint16(2, true)
  const sampleRateHz = view.getUint32(4, true)
  const blockBytes = view.getUint16(12, true)
  if (channels < 1 || channels > 255) return broken(`it says ${channels} channels, 1 to 255 are possible`)
  if (sampleRateHz < 1000 || sampleRateHz > 1_000_000)
    return broken(`it says ${sampleRateHz} samples a second, 1,000 to 1,000,000 are possible`)
  // The container's width counts, not the valid bits in it: 24 of 32 bits stand at the top.
  const sampleBytes = blockBytes / channels
  const format = formatOf(tag, sampleBytes)
  const codec = CODECS[tag] ?? `wav_0x${tag.toString(16).padStart(4, '0')}`
  if (format === null) return { type: 'other_codec', codec }
  const name =
    tag === 1 ? `pcm_${format}${format === 'u8' ? '' : 'le'}` : tag === 3 ? `pcm_${format}le` : codec
  return { type: 'format', format: { format, codec: name, channels, sampleRateHz, blockBytes } }
}

function formatOf(tag: number, sampleBytes: number): SampleFormat | null {
  const key = `${tag}:${sampleBytes}`
  const formats: Readonly<Record<string, SampleFormat>> = {
    '1:1': 'u8',
    '1:2': 's16',
    '1:3': 's24',
    '1:4': 's32',
    '3:4': 'f32',
    '3:8': 'f64',
    '6:1': 'alaw',
    '7:1': 'mulaw',
  }
  return formats[key] ?? null
}

/** Whether a chunk that fits the file, or the end of the file, is at `position`: then an empty data chunk is truly empty. */
async function isChunk(readAt: ReadAt, position: number, fileBytes: number): Promise<boolean> {
  if (position >= fileBytes) return true
  const head = await readAt(position, 8)
  if (head.length < 8 || !/^[ -~]{4}$/.test(fourCc(head, 0))) return false
  return position + 8 + viewOf(head).getUint32(4, true) <= fileBytes + 1
}

function broken(problem: string): { type: 'broken'; problem: string } {
  return { type: 'broken', problem }
}

function fourCc(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
