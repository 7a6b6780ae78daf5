import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { outputNames } from '#agent/stage-files.ts'
import { type Decoders, decodeAudio } from '#engines/audio/decode.ts'
import { findFfmpeg } from '#engines/audio/ffmpeg-decoder.ts'
import prepare from '#engines/prepare/engine.ts'
import { MAX_CHANNELS } from '#engines/prepare/manifest.ts'
import { SpeechRegion } from '#protocol/audio.ts'
import { PrepareSummary } from '#protocol/summary.ts'
import { PARAMETERS, recordingContext, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { sine, type WavShape, wav } from '#tests/kit/wav-writer.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const every: Decoders = await prepare.load(null)
const hasFfmpeg = findFfmpeg(process.env.PATH) !== null
const DECODERS = (['built_in', 'ffmpeg', 'node_av'] as const).filter((one) => one !== 'ffmpeg' || hasFfmpeg)
type Decoder = (typeof DECODERS)[number]
const only = (decoder: Decoder): Decoders => ({ ...every, allowed: [decoder] })
const SPLIT = { ...PARAMETERS, split_channels: true }

let files = 0
function file(content: Uint8Array, name = 'recording.wav'): string {
  files += 1
  const path = folder.join(`${files}-${name}`)
  writeFileSync(path, content)
  return path
}

interface Written {
  readonly summary: PrepareSummary
  readonly names: readonly string[]
  samples(name?: string): Int16Array
  regions(name?: string): SpeechRegion[]
}

async function run(upload: string, decoders: Decoders, parameters = SPLIT): Promise<Written> {
  files += 1
  const outputFolder = folder.join(`out-${files}`)
  mkdirSync(outputFolder)
  const { context } = recordingContext()
  const summary = await prepare.run(
    { stage: 'prepare', inputs: { upload }, outputFolder, parameters },
    decoders,
    context,
  )
  const read = (name: string) => readFileSync(join(outputFolder, name))
  return {
    summary,
    names: readdirSync(outputFolder).sort(),
    samples: (name = 'audio.s16') => new Int16Array(Uint8Array.from(read(name)).buffer),
    regions: (name = 'speech.jsonl') =>
      read(name)
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => SpeechRegion.parse(JSON.parse(line))),
  }
}

/** Who speaks at another second in each channel, at another pitch. */
function voices(count: number, rate: number): Float32Array[] {
  const seconds = count + 2
  return Array.from({ length: count }, (_, channel) => {
    const samples = new Float32Array(seconds * rate)
    samples.set(sine(200 + 30 * channel, 1, rate, 0.5 / (channel + 1)), (channel + 1) * rate)
    return samples
  })
}

/** Element by element as `toEqual` does it takes seconds. */
function isSame(a: Int16Array, b: Int16Array): boolean {
  return Buffer.from(a.buffer).equals(Buffer.from(b.buffer))
}

describe.each(DECODERS)('[PR12] %s: each channel by itself', (decoder) => {
  it.each<[count: number, rate: number, shape: WavShape]>([
    [2, 44_100, {}],
    [3, 8000, { bits: 24 }],
    [10, 16_000, { tag: 3, bits: 32 }],
  ])('%i channels at %i Hz: what is written for a mono file of that channel', async (count, rate, shape) => {
    const channels = voices(count, rate)
    const split = await run(file(wav(channels, { ...shape, rate })), only(decoder))
    expect(split.summary).toMatchObject({ decoder, channel_count: count, source: { channels: count } })
    for (const [channel, samples] of channels.entries()) {
      const alone = await run(file(wav([samples], { ...shape, rate })), only(decoder), PARAMETERS)
      expect(isSame(split.samples(`audio.ch${channel}.s16`), alone.samples())).toBe(true)
      expect(split.regions(`speech.ch${channel}.jsonl`)).toEqual(alone.regions())
      expect(alone.regions()).toHaveLength(1)
    }
  })

  it('the mix is their mean, as without splitting', async () => {
    const upload = file(wav(voices(2, 44_100), { rate: 44_100 }))
    const split = await run(upload, only(decoder))
    const plain = await run(upload, only(decoder), PARAMETERS)
    const [left, right] = [split.samples('audio.ch0.s16'), split.samples('audio.ch1.s16')]
    expect(split.samples()).toEqual(left.map((sample, at) => Math.round((sample + (right[at] ?? 0)) / 2)))
    const mixed = plain.samples()
    const differences = split.samples().map((sample, at) => Math.abs(sample - (mixed[at] ?? 99)))
    expect(Math.max(...differences)).toBeLessThanOrEqual(1)
    expect(split.regions()).toEqual(plain.regions())
    expect({ ...split.summary, channel_count: 1 }).toEqual(plain.summary)
  })

  it('a mono recording has one channel, which is the mix, and everything else is as without splitting', async () => {
    const upload = file(wav(voices(1, 44_100), { rate: 44_100 }))
    const split = await run(upload, only(decoder))
    const plain = await run(upload, only(decoder), PARAMETERS)
    expect(split.summary).toEqual(plain.summary)
    expect(isSame(split.samples(), plain.samples())).toBe(true)
    expect(isSame(split.samples('audio.ch0.s16'), plain.samples())).toBe(true)
    expect(split.regions('speech.ch0.jsonl')).toEqual(plain.regions())
  })

  it('the agent finds every file that it expects, and no other', async () => {
    for (const [count, parameters] of [
      [1, SPLIT],
      [2, SPLIT],
      [2, PARAMETERS],
    ] as const) {
      const { names, summary } = await run(file(wav(voices(count, 16_000))), only(decoder), parameters)
      expect(names).toEqual([...outputNames('prepare', parameters, summary)].sort())
    }
  })
})

describe.each(DECODERS)('[PR13] %s: so many channels', (decoder) => {
  const silent = (count: number) => Array.from({ length: count }, () => new Float32Array(1600))

  it('as many as a summary counts are split', async () => {
    const { summary, names } = await run(file(wav(silent(MAX_CHANNELS))), only(decoder))
    expect(summary.channel_count).toBe(MAX_CHANNELS)
    expect(names).toHaveLength(3 + 2 * MAX_CHANNELS)
  })

  it.each([33, 64, 200])('%i are not, and the error says what to do', async (count) => {
    const error = await taskErrorOf(run(file(wav(silent(count))), only(decoder)))
    expect(error).toMatchObject({ code: 'too_many_channels', retryable: false })
    expect(error.message).toMatch(
      new RegExp(`has ${count} channels; at most 32 .*speaker_detection=per_chan`),
    )
  })

  it.each([9, 40])('%i are mixed where nobody asks for each, as the mean of them', async (count) => {
    const [voice = new Float32Array(0), ...others] = [sine(440, 0.5), ...silent(count - 1)]
    const { summary, names, samples } = await run(file(wav([voice, ...others])), only(decoder), PARAMETERS)
    expect(summary).toMatchObject({ channel_count: 1, source: { channels: count } })
    expect(names).toEqual(['audio.s16', 'peaks.u8', 'speech.jsonl'])
    expect(samples()).toEqual(
      Int16Array.from(voice, (sample) => Math.round(Math.round(sample * 32_768) / count)),
    )
  })
})

describe('[PR13] the bound on channels', () => {
  it('fits the contract: the summary, and the artifacts that one task has', () => {
    const summary = (channel_count: number) =>
      PrepareSummary.shape.channel_count.safeParse(channel_count).success
    expect([summary(MAX_CHANNELS), summary(MAX_CHANNELS + 1)]).toEqual([true, false])
    // What detect_emotions reads: all that prepare wrote, and a transcript a channel.
    const read = 3 + 2 * MAX_CHANNELS + MAX_CHANNELS
    expect(read).toBeLessThanOrEqual(100)
  })

  it('a header that claims more channels than there are samples for is refused by its claim', async () => {
    const claim = wav([new Float32Array(100)])
    claim.writeUInt16LE(64, 22)
    claim.writeUInt16LE(128, 32)
    expect(await taskErrorOf(run(file(claim), every))).toMatchObject({ code: 'too_many_channels' })
  })
})

describe('[PR14] splitting holds no more of a long recording than of a short one', () => {
  /** The largest chunk, in samples of all channels. */
  async function largest(decoder: Decoder, seconds: number, channels: number): Promise<number> {
    const path = file(
      wav(
        Array.from({ length: channels }, () => new Float32Array(seconds * 44_100)),
        { rate: 44_100 },
      ),
    )
    const { signal } = new AbortController()
    const request = { path, fileName: null, limitSeconds: 1000, maxChannels: MAX_CHANNELS, signal }
    const { chunks } = await decodeAudio(request, only(decoder))
    let most = 0
    const lengths = new Set<number>()
    for await (const chunk of chunks) {
      for (const { length } of chunk.channels) lengths.add(length - chunk.samples.length)
      lengths.add(chunk.channels.length - channels)
      most = Math.max(most, chunk.samples.length * channels)
    }
    // Every chunk has every channel, each as long as the mix.
    expect(lengths).toEqual(new Set([0]))
    return most
  }

  it.each(DECODERS)('%s: a chunk is bounded, whatever the length and the channels', async (decoder) => {
    for (const [seconds, channels] of [
      [2, 2],
      [10, 2],
      [1, 32],
      [3, 32],
    ] as const)
      expect(await largest(decoder, seconds, channels)).toBeLessThan(100_000)
  })

  it('what is decoded is written before the next is read, in every file', async () => {
    const outputFolder = folder.join('as-it-comes')
    mkdirSync(outputFolder)
    const sizes: number[][] = []
    const { context } = recordingContext()
    const size = (name: string) => statSync(join(outputFolder, name)).size
    const report = () => {
      const names = readdirSync(outputFolder).filter((name) => name.endsWith('.s16'))
      sizes.push(names.map(size))
    }
    const task = {
      stage: 'prepare',
      inputs: { upload: file(wav(voices(3, 48_000), { rate: 48_000 })) },
    } as const
    await prepare.run({ ...task, outputFolder, parameters: SPLIT }, only('built_in'), { ...context, report })
    const written = sizes.slice(1)
    expect(written.length).toBeGreaterThan(3)
    for (const [index, [mix = 0, ...channels]] of written.entries()) {
      expect(channels).toEqual([mix, mix, mix])
      if (index < written.length - 1) expect(mix).toBeGreaterThan(sizes[index]?.[0] ?? 0)
    }
  })
})

describe.runIf(hasFfmpeg).each(DECODERS.filter((one) => one !== 'built_in'))(
  '[PR12] %s: lossy',
  (decoder) => {
    function encoded(suffix: string, source: string, ...options: string[]): string {
      files += 1
      const path = folder.join(`${files}.${suffix}`)
      execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', source, ...options, path])
      return path
    }

    it.each(['mp3', 'm4a', 'ogg', 'flac'])(
      '%s: who speaks in one channel is not heard in the other',
      async (suffix) => {
        const { samples, regions, summary } = await run(
          encoded(suffix, file(wav(voices(2, 44_100), { rate: 44_100 }))),
          only(decoder),
        )
        expect(summary.channel_count).toBe(2)
        for (const [channel, second] of [1, 2].entries()) {
          const name = `audio.ch${channel}.s16`
          expect(samples(name)).toHaveLength(samples().length)
          expect(regions(`speech.ch${channel}.jsonl`)).toHaveLength(1)
          const heard = samples(name).findIndex((sample) => Math.abs(sample) > 4000) / 16_000
          expect(Math.abs(heard - second)).toBeLessThan(0.1)
          const silence = samples(name).subarray((3 - second) * 16_000 + 2000, (4 - second) * 16_000 - 2000)
          expect(silence.every((sample) => Math.abs(sample) < 100)).toBe(true)
        }
      },
    )

    it.each([
      [2, 1],
      [1, 2],
    ])(
      'a recording of %i channels that goes on with %i keeps to those that it began with',
      async (first, then) => {
        const bare = ['-write_xing', '0', '-id3v2_version', '0']
        const part = (count: number) => {
          const tones = Array.from({ length: count }, () => sine(440, 1, 44_100))
          return readFileSync(encoded('mp3', file(wav(tones, { rate: 44_100 })), ...bare))
        }
        const whole = file(Buffer.concat([part(first), part(then)]), 'changing.mp3')
        const { summary, samples } = await run(whole, only(decoder))
        expect(summary.channel_count).toBe(first)
        expect(summary.duration_seconds).toBeGreaterThan(2)
        for (let channel = 0; channel < first; channel++) {
          const late = samples(`audio.ch${channel}.s16`).subarray(24_000, 28_000)
          expect(late.some((sample) => Math.abs(sample) > 8000)).toBe(true)
        }
      },
    )
  },
)
