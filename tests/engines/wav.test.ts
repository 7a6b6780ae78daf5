import { describe, expect, it } from 'vitest'
import { readChannels, readMono } from '#engines/audio/sample-format.ts'
import { isWav, readWavHeader } from '#engines/audio/wav-header.ts'
import { sine, type WavShape, wav } from '#tests/kit/wav-writer.ts'

function read(file: Uint8Array) {
  const readAt = async (position: number, length: number) => file.subarray(position, position + length)
  return readWavHeader(readAt, file.length)
}

async function headerOf(file: Uint8Array) {
  const reading = await read(file)
  if (reading.type !== 'header') throw new Error(`expected a header, came ${JSON.stringify(reading)}`)
  return reading.header
}

async function monoOf(file: Uint8Array): Promise<Float32Array> {
  const { dataStart, dataBytes, format, channels } = await headerOf(file)
  return readMono(file.subarray(dataStart, dataStart + dataBytes), format, channels)
}

const TONE = sine(440, 0.05)

describe('wav', () => {
  it.each<[string, WavShape, number]>([
    ['8 bit', { bits: 8 }, 1 / 128],
    ['16 bit', { bits: 16 }, 1 / 32_768],
    ['24 bit', { bits: 24 }, 1e-6],
    ['32 bit', { bits: 32 }, 1e-6],
    ['32 bit float', { tag: 3, bits: 32 }, 1e-6],
    ['64 bit float', { tag: 3, bits: 64 }, 1e-6],
    ['extensible 24 bit', { bits: 24, extensible: true }, 1e-6],
    ['extensible float', { tag: 3, bits: 32, extensible: true }, 1e-6],
  ])('[W1] reads %s', async (_, shape, error) => {
    const mono = await monoOf(wav([TONE], shape))
    expect(mono).toHaveLength(TONE.length)
    for (const [index, sample] of mono.entries())
      expect(Math.abs(sample - (TONE[index] ?? 0))).toBeLessThanOrEqual(error)
  })

  it.each([
    // ITU-T G.711: the codes of the smallest and the largest values.
    ['A-law', 6, [0xd5, 0x55, 0xaa, 0x2a], [8, -8, 32_256, -32_256]],
    ['µ-law', 7, [0xff, 0x7f, 0x80, 0x00], [0, 0, 32_124, -32_124]],
  ])('[W1] reads %s', async (_, tag, codes, values) => {
    const mono = await monoOf(wav([Float32Array.from(codes)], { tag, bits: 8 }))
    expect(Array.from(mono, (sample) => sample * 32_768 || 0)).toEqual(values)
  })

  it('[W2] the mean of the channels is the mono sample', async () => {
    const mono = await monoOf(
      wav([Float32Array.of(0.5, 0.25), Float32Array.of(-0.5, 0.75)], { tag: 3, bits: 32 }),
    )
    expect([...mono]).toEqual([0, 0.5])
  })

  it('[W2] what is no number is silence', async () => {
    const mono = await monoOf(
      wav([Float32Array.of(Number.NaN, 0.5, Number.POSITIVE_INFINITY)], { tag: 3, bits: 32 }),
    )
    expect([...mono]).toEqual([0, 0.5, 0])
  })

  it.each<[string, WavShape]>([
    ['8 bit', { bits: 8 }],
    ['16 bit', {}],
    ['24 bit', { bits: 24 }],
    ['32 bit float', { tag: 3, bits: 32 }],
  ])('[W2] each channel by itself is what a mono file of it gives: %s', async (_, shape) => {
    const tones = [300, 400, 500].map((hertz) => sine(hertz, 0.05))
    const file = wav(tones, shape)
    const { dataStart, format } = await headerOf(file)
    const channels = readChannels(file.subarray(dataStart), format, 3)
    expect(channels).toEqual(await Promise.all(tones.map((tone) => monoOf(wav([tone], shape)))))
  })

  it('[W2] what is no number is silence in its channel alone', () => {
    const bytes = new Uint8Array(Float32Array.of(Number.NaN, 0.5, 0.25, Number.NEGATIVE_INFINITY).buffer)
    expect(readChannels(bytes, 'f32', 2)).toEqual([Float32Array.of(0, 0.25), Float32Array.of(0.5, 0)])
  })

  it('[W3] names codec, channels and rate', async () => {
    const header = await headerOf(wav([TONE, TONE], { rate: 44_100, bits: 24 }))
    expect(header).toMatchObject({ container: 'wav', codec: 'pcm_s24le', channels: 2, sampleRateHz: 44_100 })
  })

  it.each<[string, WavShape]>([
    ['a chunk of odd size before the data', { chunk: { name: 'LIST', body: new Uint8Array(13) } }],
    ['0xFFFFFFFF, as streams write', { statedBytes: 0xffff_ffff }],
    ['0 with samples behind it: a recorder that was cut off', { statedBytes: 0 }],
    ['more than the file holds', { statedBytes: 10_000_000 }],
    ['RF64', { container: 'RF64' }],
  ])('[W4] finds the samples: %s', async (_, shape) => {
    expect((await monoOf(wav([TONE], shape))).length).toBe(TONE.length)
  })

  it('[W4] RF64 beyond 4 GB: the size is that of ds64, held inside the file', async () => {
    const file = wav([TONE], { container: 'RF64', statedBytes: 5_000_000_000 })
    const readAt = async (position: number, length: number) => file.subarray(position, position + length)
    const reading = await readWavHeader(readAt, 6_000_000_000)
    expect(reading).toMatchObject({ type: 'header', header: { container: 'rf64', dataBytes: 5_000_000_000 } })
  })

  it('[W4] half a frame at the end is left out', async () => {
    const file = Buffer.concat([wav([TONE], { statedBytes: 0xffff_ffff }), Buffer.of(7)])
    expect((await headerOf(file)).dataBytes).toBe(TONE.length * 2)
  })

  it('[W4] empty data with another chunk behind it is empty', async () => {
    const tail = Buffer.concat([Buffer.from('LIST'), Buffer.of(4, 0, 0, 0), Buffer.from('abcd')])
    expect((await headerOf(Buffer.concat([wav([new Float32Array(0)]), tail]))).dataBytes).toBe(0)
  })

  it('[W5] leaves other codecs to another decoder', async () => {
    expect(await read(wav([TONE], { tag: 0x55, bits: 8 }))).toEqual({
      type: 'other_codec',
      codec: 'wav_0x0055',
    })
  })

  it.each([
    ['no data', wav([TONE]).subarray(0, 36), /no data chunk/],
    ['no format', Buffer.from('RIFF\0\0\0\0WAVEdata\0\0\0\0'), /data comes before its format/],
    ['no channels', wav([]), /0 channels/],
    ['no rate', wav([TONE], { rate: 0 }), /0 samples a second/],
  ])('[W6] says what is broken: %s', async (_, file, problem) => {
    expect(isWav(file)).toBe(true)
    expect(await read(file)).toMatchObject({ type: 'broken', problem: expect.stringMatching(problem) })
  })
})
