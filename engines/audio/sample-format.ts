/**
 * How samples lie in a file, and the readers that turn them into numbers from −1 to 1. Pure.
 */
export type SampleFormat = 'u8' | 's16' | 's24' | 's32' | 'f32' | 'f64' | 'alaw' | 'mulaw'

export const SAMPLE_BYTES: Readonly<Record<SampleFormat, number>> = {
  u8: 1,
  s16: 2,
  s24: 3,
  s32: 4,
  f32: 4,
  f64: 8,
  alaw: 1,
  mulaw: 1,
}

/**
 * Little-endian interleaved frames to one mono sample a frame: the mean of the channels, so that nothing clips.
 * `bytes` must hold whole frames. What is no finite number (a float file may hold it) becomes 0.
 */
export function readMono(bytes: Uint8Array, format: SampleFormat, channels: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sampleBytes = SAMPLE_BYTES[format]
  const frames = Math.floor(bytes.byteLength / (sampleBytes * channels))
  const sampleAt = READERS[format]
  const mono = new Float32Array(frames)
  for (let frame = 0, offset = 0; frame < frames; frame++) {
    let sum = 0
    for (let channel = 0; channel < channels; channel++, offset += sampleBytes) sum += sampleAt(view, offset)
    const mean = sum / channels
    mono[frame] = Number.isFinite(mean) ? mean : 0
  }
  return mono
}

/** As `readMono`, but each channel by itself. */
export function readChannels(bytes: Uint8Array, format: SampleFormat, channels: number): Float32Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sampleBytes = SAMPLE_BYTES[format]
  const frameBytes = sampleBytes * channels
  const sampleAt = READERS[format]
  return Array.from({ length: channels }, (_, channel) => {
    const samples = new Float32Array(Math.floor(bytes.byteLength / frameBytes))
    for (
      let frame = 0, offset = channel * sampleBytes;
      frame < samples.length;
      frame++, offset += frameBytes
    ) {
      const sample = sampleAt(view, offset)
      samples[frame] = Number.isFinite(sample) ? sample : 0
    }
    return samples
  })
}

const A_LAW = Float32Array.from({ length: 256 }, (_, code) => aLaw(code))
const MU_LAW = Float32Array.from({ length: 256 }, (_, code) => muLaw(code))

const READERS: Readonly<Record<SampleFormat, (view: DataView, offset: number) => number>> = {
  u8: (view, offset) => (view.getUint8(offset) - 128) / 128,
  s16: (view, offset) => view.getInt16(offset, true) / 32_768,
  s24: (view, offset) => (view.getInt8(offset + 2) * 65_536 + view.getUint16(offset, true)) / 8_388_608,
  s32: (view, offset) => view.getInt32(offset, true) / 2_147_483_648,
  f32: (view, offset) => view.getFloat32(offset, true),
  f64: (view, offset) => view.getFloat64(offset, true),
  alaw: (view, offset) => A_LAW[view.getUint8(offset)] ?? 0,
  mulaw: (view, offset) => MU_LAW[view.getUint8(offset)] ?? 0,
}

/** ITU-T G.711 A-law, 13 bits of range. */
function aLaw(code: number): number {
  const inverted = code ^ 0x55
  const exponent = (inverted & 0x70) >> 4
  const mantissa = inverted & 0x0f
  const magnitude = exponent === 0 ? mantissa * 16 + 8 : (mantissa * 16 + 264) << (exponent - 1)
  return ((inverted & 0x80) === 0 ? -magnitude : magnitude) / 32_768
}

/** ITU-T G.711 µ-law, 14 bits of range. */
function muLaw(code: number): number {
  const inverted = ~code & 0xff
  const magnitude = ((((inverted & 0x0f) << 3) + 132) << ((inverted & 0x70) >> 4)) - 132
  return ((inverted & 0x80) === 0 ? magnitude : -magnitude) / 32_768
}
