/** WAV files of every kind that a reader meets, from samples of −1 to 1 (one array a channel). */
export interface WavShape {
  readonly rate?: number
  /** The codec's tag: 1 PCM, 3 float, 6 A-law, 7 µ-law. */
  readonly tag?: number
  readonly bits?: number
  readonly container?: 'RIFF' | 'RF64'
  readonly extensible?: boolean
  /** What the data chunk says its size is; its true size where undefined. */
  readonly statedBytes?: number
  /** A chunk between format and data. */
  readonly chunk?: { readonly name: string; readonly body: Uint8Array }
}

export function wav(channels: readonly Float32Array[], shape: WavShape = {}): Buffer {
  const { rate = 16_000, tag = 1, bits = 16, container = 'RIFF' } = shape
  const data = interleaved(channels, tag, bits)
  const stated = shape.statedBytes ?? data.length
  const isWide = container === 'RF64'
  const parts = [
    isWide ? chunk('ds64', Buffer.concat([u64(0), u64(stated), u64(0), u32(0)])) : Buffer.alloc(0),
    chunk('fmt ', formatBody(channels.length, rate, tag, bits, shape.extensible === true)),
    shape.chunk === undefined ? Buffer.alloc(0) : chunk(shape.chunk.name, shape.chunk.body),
    Buffer.from('data'),
    u32(isWide ? 0xffff_ffff : stated),
    data,
  ]
  const body = Buffer.concat(parts)
  return Buffer.concat([
    Buffer.from(container),
    u32(isWide ? 0xffff_ffff : 4 + body.length),
    Buffer.from('WAVE'),
    body,
  ])
}

function formatBody(channels: number, rate: number, tag: number, bits: number, extensible: boolean): Buffer {
  const block = (channels * bits) / 8
  const base = [
    u16(extensible ? 0xfffe : tag),
    u16(channels),
    u32(rate),
    u32(rate * block),
    u16(block),
    u16(bits),
  ]
  if (!extensible) return Buffer.concat(base)
  const guid = Buffer.from('000000001000800000aa00389b71', 'hex')
  return Buffer.concat([...base, u16(22), u16(bits), u32(0), u16(tag), guid])
}

function interleaved(channels: readonly Float32Array[], tag: number, bits: number): Buffer {
  const frames = channels[0]?.length ?? 0
  const data = Buffer.alloc((frames * channels.length * bits) / 8)
  let at = 0
  for (let frame = 0; frame < frames; frame++) {
    for (const channel of channels) at = write(data, at, channel[frame] ?? 0, tag, bits)
  }
  return data
}

function write(data: Buffer, at: number, value: number, tag: number, bits: number): number {
  if (tag === 3) return bits === 64 ? data.writeDoubleLE(value, at) : data.writeFloatLE(value, at)
  if (tag === 6 || tag === 7) return data.writeUInt8(Math.round(value), at)
  const scaled = Math.max(
    -(2 ** (bits - 1)),
    Math.min(2 ** (bits - 1) - 1, Math.round(value * 2 ** (bits - 1))),
  )
  return bits === 8 ? data.writeUInt8(scaled + 128, at) : data.writeIntLE(scaled, at, bits / 8)
}

function chunk(name: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(name), u32(body.length), body, Buffer.alloc(body.length % 2)])
}

function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeUInt16LE(value)
  return buffer
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(BigInt(value))
  return buffer
}

/** A sine of `seconds` at `hertz`. */
export function sine(hertz: number, seconds: number, rate = 16_000, amplitude = 0.5): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * rate) },
    (_, at) => amplitude * Math.sin((2 * Math.PI * hertz * at) / rate),
  )
}
