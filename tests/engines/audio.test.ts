import { describe, expect, it } from 'vitest'
import { refitted } from '#engines/audio/channels.ts'
import { FfmpegOutput } from '#engines/audio/ffmpeg-output.ts'
import { channelsOf, FfmpegReport } from '#engines/audio/ffmpeg-report.ts'
import { fileKind } from '#engines/audio/file-kind.ts'
import { LoudnessMeter } from '#engines/audio/loudness-meter.ts'
import { canResample, Resampler } from '#engines/audio/resampler.ts'
import { FrameJoiner, toS16 } from '#engines/audio/s16.ts'
import { SpeechDetector } from '#engines/audio/speech-detector.ts'
import { Waveform } from '#engines/audio/waveform.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { sine, wav } from '#tests/kit/wav-writer.ts'

const RATE = 16_000

function resampled(samples: Float32Array, fromHz: number, chunk = samples.length): Float32Array {
  const resampler = new Resampler(fromHz, RATE)
  const parts: Float32Array[] = []
  for (let at = 0; at < samples.length; at += chunk)
    parts.push(resampler.push(samples.subarray(at, at + chunk)))
  parts.push(resampler.flush())
  return Float32Array.from(parts.flatMap((part) => [...part]))
}

/** Root mean square in decibels, without the edges. */
function decibels(samples: Float32Array): number {
  const inner = samples.subarray(samples.length >> 2, samples.length - (samples.length >> 2))
  let sum = 0
  for (const sample of inner) sum += sample * sample
  return 10 * Math.log10(sum / inner.length + 1e-20)
}

describe('resampler', () => {
  it.each([8000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000])(
    '[RS1] a 1 kHz sine from %i Hz keeps its level, frequency and place',
    (rate) => {
      const out = resampled(sine(1000, 0.4, rate), rate)
      expect(out).toHaveLength(0.4 * RATE)
      const truth = sine(1000, 0.4)
      const error = Float32Array.from(out, (sample, index) => sample - (truth[index] ?? 0))
      expect(decibels(error) - decibels(truth)).toBeLessThan(-65)
    },
  )

  it.each([
    [44_100, 8400],
    [44_100, 12_000],
    [48_000, 15_000],
    [48_000, 23_000],
  ])('[RS2] what would fold is 75 dB down: from %i Hz, a sine of %i Hz', (rate, hertz) => {
    const quiet = decibels(resampled(sine(hertz, 0.3, rate), rate))
    expect(quiet - decibels(sine(hertz, 0.3, rate))).toBeLessThan(-75)
  })

  it.each([300, 3000, 6600])('[RS2] %i Hz comes through within 0.1 dB', (hertz) => {
    const out = decibels(resampled(sine(hertz, 0.3, 44_100), 44_100))
    expect(Math.abs(out - decibels(sine(hertz, 0.3)))).toBeLessThan(0.1)
  })

  it('[RS3] chunks give what the whole gives', () => {
    const random = seeded(2)
    const samples = Float32Array.from({ length: 5000 }, () => random() - 0.5)
    for (const chunk of [1, 7, 441, 1000])
      expect(resampled(samples, 44_100, chunk)).toEqual(resampled(samples, 44_100))
  })

  it('[RS3] rates without a small filter bank are left to another decoder', () => {
    expect([8000, 11_127, 44_056, 44_101, 192_000].map((rate) => canResample(rate, RATE))).not.toContain(
      false,
    )
    expect(canResample(999_983, RATE)).toBe(false)
  })
})

describe('s16', () => {
  it('[W7] holds what is too loud at the edge', () => {
    expect([...toS16(Float32Array.of(0, 0.5, 1, 2, -1, -3))]).toEqual([
      0, 16_384, 32_767, 32_767, -32_768, -32_768,
    ])
  })

  it.each([1, 3])('[W7] joins chunks of odd length to frames of %i channels', (channels) => {
    const joiner = new FrameJoiner(channels)
    const bytes = Uint8Array.from({ length: 36 }, (_, index) => index)
    let at = 0
    const parts = [1, 1, 3, 0, 1, 7, 2, 1, 13, 7].map((size) => {
      at += size
      const chunk = bytes.slice(at - size, at)
      const frames = joiner.push(chunk)
      chunk.fill(255)
      expect(frames.length % channels).toBe(0)
      return frames
    })
    expect(parts.flatMap((part) => [...part])).toEqual([...new Int16Array(bytes.buffer)])
  })
})

describe('channels', () => {
  it('[PR14] the resamplers of many channels share one filter bank, and give what one alone gives', () => {
    // 16,000 filters of 136 coefficients: 17 MB.
    const before = process.memoryUsage().arrayBuffers
    const resamplers = Resampler.several(32, 44_101, RATE)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30e6)
    const tone = sine(440, 0.1, 44_101)
    const alone = resampled(tone, 44_101)
    for (const resampler of resamplers.slice(0, 2))
      expect(Float32Array.of(...resampler.push(tone), ...resampler.flush())).toEqual(alone)
  })

  it('[PR12] frames of a part with other channels: their mix in each', () => {
    expect([...refitted(Int16Array.of(100, 300, -7, 8), 2, 3)]).toEqual([200, 200, 200, 1, 1, 1])
  })

  it.each([1, 7, 4096])(
    '[PR12] how many there are is read from a WAV that comes in pieces of %i',
    async (size) => {
      const samples = Array.from({ length: 300 }, (_, index) => index)
      const channels = [0, 1, 2].map((channel) =>
        Float32Array.from(samples, (at) => (at * 3 + channel) / 32_768),
      )
      const list = { name: 'LIST', body: new Uint8Array(26) }
      const file = wav(channels, { statedBytes: 0xffff_ffff, extensible: true, chunk: list })
      const output = new FfmpegOutput('wav')
      const frames: number[] = []
      for (let at = 0; at < file.length; at += size)
        frames.push(...(await output.push(file.subarray(at, at + size))))
      expect(output.channels).toBe(3)
      expect(frames).toEqual(Array.from({ length: 900 }, (_, index) => index))
    },
  )

  it('[PR12] what is no WAV, or not one of s16, ends with what is wrong with it', async () => {
    const claim = wav([new Float32Array(4000)])
    claim.writeUInt16LE(300, 22)
    await expect(new FfmpegOutput('wav').push(claim)).rejects.toThrow(/it says 300 channels/)
    await expect(new FfmpegOutput('wav').push(new Uint8Array(5000))).rejects.toThrow(/cannot be read/)
  })
})

describe('loudness and waveform', () => {
  it('[LO1] a full-scale sine is −3.01 dBFS with a peak of 0; silence has no loudness', () => {
    const meter = new LoudnessMeter()
    meter.push(toS16(sine(1000, 1, RATE, 1)))
    expect(meter.result().loudnessDbfs).toBeCloseTo(-3.01, 1)
    expect(meter.result().peakDbfs).toBeCloseTo(0, 1)
    const silent = new LoudnessMeter()
    silent.push(new Int16Array(100))
    expect(silent.result()).toEqual({ loudnessDbfs: null, peakDbfs: null })
  })

  it('[LO2] a peak for each 1/20 s, 255 at full scale, in chunks as in one', () => {
    const samples = new Int16Array(2000)
    samples[10] = -32_768
    samples[900] = 16_384
    const whole = new Waveform()
    expect([...whole.push(samples), ...whole.flush()]).toEqual([255, 128, 0])
    const chunked = new Waveform()
    const parts = [...chunked.push(samples.subarray(0, 799)), ...chunked.push(samples.subarray(799))]
    expect([...parts, ...chunked.flush()]).toEqual([255, 128, 0])
  })
})

/** Sound as sound: seconds of silence, of noise at a level, of a voice (bursts with dips, as syllables have). */
type Sound =
  | { readonly silence: number }
  | { readonly noise: number; readonly db: number }
  | { readonly voice: number }

function soundOf(parts: readonly Sound[]): Int16Array {
  const random = seeded(9)
  const samples = parts.flatMap((part) => {
    const seconds = 'silence' in part ? part.silence : 'noise' in part ? part.noise : part.voice
    return Array.from({ length: Math.round(seconds * RATE) }, (_, at) => {
      if ('silence' in part) return 0
      if ('noise' in part) return (random() * 2 - 1) * 10 ** (part.db / 20)
      const syllable = Math.max(0, Math.sin(2 * Math.PI * 4 * (at / RATE)))
      return 0.2 * syllable * Math.sin(2 * Math.PI * 180 * (at / RATE))
    })
  })
  return toS16(Float32Array.from(samples))
}

function regionsOf(parts: readonly Sound[], chunk = 10_000) {
  const detector = new SpeechDetector()
  const samples = soundOf(parts)
  const regions = []
  for (let at = 0; at < samples.length; at += chunk)
    regions.push(...detector.push(samples.subarray(at, at + chunk)))
  return [...regions, ...detector.flush()]
}

describe('speech detector', () => {
  it('[V1] a voice between silences is one region, a little wider than the voice', () => {
    const [region, ...more] = regionsOf([{ silence: 1 }, { voice: 2 }, { silence: 2 }])
    expect(more).toEqual([])
    expect(region?.start).toBeGreaterThan(0.7)
    expect(region?.start).toBeLessThanOrEqual(1)
    expect(region?.end).toBeGreaterThanOrEqual(2.9)
    expect(region?.end).toBeLessThan(3.4)
  })

  it('[V1] a voice from the first sample to the last is heard whole', () => {
    expect(regionsOf([{ voice: 6 }])).toEqual([{ start: 0, end: 6 }])
  })

  it('[V2] pauses shorter than half a second stay inside, longer ones divide', () => {
    expect(
      regionsOf([{ voice: 1 }, { silence: 0.3 }, { voice: 1 }, { silence: 1 }, { voice: 1 }]),
    ).toHaveLength(2)
  })

  it('[V3] silence and a click are no speech', () => {
    expect(regionsOf([{ silence: 10 }])).toEqual([])
    expect(regionsOf([{ silence: 2 }, { noise: 0.01, db: -6 }, { silence: 2 }])).toEqual([])
  })

  it('[V3] constant noise becomes silence, and a voice over it is still heard', () => {
    const [first, ...more] = regionsOf([{ noise: 20, db: -40 }])
    expect(more).toEqual([])
    expect(first?.end).toBeLessThan(5)
    const heard = regionsOf([{ noise: 10, db: -40 }, { voice: 2 }, { noise: 5, db: -40 }])
    expect(heard.some((region) => region.start < 10.2 && region.start > 9 && region.end >= 11.8)).toBe(true)
  })

  it('[V4] chunks give what the whole gives, regions never touch and stay inside the recording', () => {
    const parts = [{ voice: 1 }, { silence: 0.6 }, { voice: 2 }, { silence: 0.7 }, { voice: 0.5 }] as const
    const whole = regionsOf(parts, 1e9)
    expect(regionsOf(parts, 333)).toEqual(whole)
    expect(whole.at(-1)?.end).toBeLessThanOrEqual(4.8)
    for (const [index, region] of whole.entries())
      expect(region.start).toBeGreaterThan(whole[index - 1]?.end ?? -1)
  })
})

describe('file kind', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1')
  it.each([
    ['', null, 'empty'],
    ['RIFF\x10\0\0\0WAVEfmt ', 'x.mp3', 'wav'],
    ['just some words\n', 'speech.wav', 'not_audio'],
    ['just some words\n', 'speech.pcm', 'not_audio'],
    ['\x89PNG\r\n\x1a\n\0\0', 'song.mp3', 'not_audio'],
    ['\xff\xd8\xff\xe0\0', 'song.mp3', 'not_audio'],
    ['#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n', 'song.mp3', 'playlist'],
    ['\n#EXTM3U\n', null, 'playlist'],
    ['\xef\xbb\xbf#EXTM3U\n\0\0', 'x.mp3', 'playlist'],
    ['ffconcat version 1.0\nfile a.wav\n', null, 'playlist'],
    ['concat:a.mp3|b.mp3', 'x.mp3', 'playlist'],
    ['<?xml version="1.0"?>\n<MPD type="static">', null, 'playlist'],
    ['ID3\x03\0\0\0', null, 'other'],
    ['\0\x01\x02\x03', 'call.s16', 'raw'],
    ['\0\x01\x02\x03', 'call.bin', 'other'],
    ['fLaC\0\0\0', 'call.pcm', 'other'],
  ])('[F1] %j named %s is %s', (head, name, type) => {
    expect(fileKind(bytes(head), name).type).toBe(type)
  })
})

describe('ffmpeg report', () => {
  it('[F2] reads what the input is from chunks of stderr, and takes no tag for a stream', () => {
    const report = new FfmpegReport()
    const text = `[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/a b/c, from d':
[info]   Metadata:
[info]     title           : Stream #0:0: Audio: fake, 1 Hz, mono
[info]   Duration: 01:02:03.50, start: 0.000000, bitrate: 129 kb/s
[info]   Stream #0:0[0x1](und): Video: h264 (High), yuv420p, 640x360
[info]   Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, 5.1(side), fltp, 128 kb/s (default)
[info] Output #0, s16le, to 'pipe:1':
[info]   Stream #0:0(und): Audio: pcm_s16le, 16000 Hz, mono, s16, 256 kb/s (default)
`
    for (const character of text) report.push(character)
    expect(report.durationSeconds).toBe(3723.5)
    expect(report.source()).toEqual({
      container: 'mov,mp4,m4a,3gp,3g2,mj2',
      codec: 'aac',
      channels: 6,
      sample_rate_hz: 44_100,
    })
  })

  it('[F2] keeps the last errors only', () => {
    const report = new FfmpegReport()
    for (let index = 0; index < 1000; index++) report.push(`[mp3 @ 0x1] [error] problem ${index}\n`)
    expect(report.problem()).toBe('problem 996; problem 997; problem 998; problem 999')
  })

  it.each([
    ['mono', 1],
    ['stereo', 2],
    ['5.1(side)', 6],
    ['7.1', 8],
    ['quad(side)', 4],
    ['3 channels', 3],
    ['22.2', 24],
  ])('[F2] a layout of %s has %i channels', (layout, channels) => {
    expect(channelsOf(layout)).toBe(channels)
  })
})
