import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SAMPLE = fileURLToPath(new URL('../../../models/embedded/samples/call.wav', import.meta.url))
/** As the samples are written: 16 kHz, mono, 16 bits. */
const HEADER_BYTES = 44
const BYTES_PER_SECOND = 32_000

/** A WAV file of so much speech: the sample, over and over. */
export function speechWav(seconds: number): Blob {
  const sample = readFileSync(SAMPLE)
  const once = sample.subarray(HEADER_BYTES)
  const sizeBytes = seconds * BYTES_PER_SECOND
  const header = Buffer.from(sample.subarray(0, HEADER_BYTES))
  header.writeUInt32LE(HEADER_BYTES - 8 + sizeBytes, 4)
  header.writeUInt32LE(sizeBytes, HEADER_BYTES - 4)
  const parts: Uint8Array<ArrayBuffer>[] = []
  for (let at = 0; at < sizeBytes; at += once.length)
    parts.push(new Uint8Array(once.subarray(0, Math.min(once.length, sizeBytes - at))))
  return new Blob([new Uint8Array(header), ...parts])
}
