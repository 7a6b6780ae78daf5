import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Decoders } from '#engines/audio/decode.ts'
import { findFfmpeg } from '#engines/audio/ffmpeg-decoder.ts'
import prepare from '#engines/prepare/engine.ts'
import { PARAMETERS, recordingContext, runPrepare, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { sine, type WavShape, wav } from '#tests/kit/wav-writer.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const every: Decoders = await prepare.load(null)
const withFfmpeg: Decoders = { ...every, allowed: ['ffmpeg'] }
const withNodeAv: Decoders = { ...every, allowed: ['node_av'] }
const hasFfmpeg = findFfmpeg(process.env.PATH) !== null

/** A second of silence, a second of a sine at −9 dBFS, a second of silence; stereo at 44.1 kHz. */
const BEEP = Float32Array.from([
  ...new Float32Array(44_100),
  ...sine(440, 1, 44_100, 0.5),
  ...new Float32Array(44_100),
])

let runs = 0
function file(name: string, content: Uint8Array | string): string {
  runs += 1
  const path = folder.join(`${runs}-${name}`)
  writeFileSync(path, content)
  return path
}

function run(path: string, decoders: Decoders = every, fileName: string | null = null) {
  runs += 1
  return runPrepare(prepare, decoders, path, folder.join(`out-${runs}`), fileName)
}

function beep(shape: WavShape = {}): string {
  return file('beep.wav', wav([BEEP, BEEP], { rate: 44_100, ...shape }))
}

function encoded(suffix: string, ...options: string[]): string {
  runs += 1
  const path = folder.join(`${runs}-beep.${suffix}`)
  execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-i', beep(), ...options, path])
  return path
}

/** The start and the level of the beep, to the millisecond and the decibel. */
function expectBeep(prepared: Awaited<ReturnType<typeof run>>, slackSeconds = 0.03): void {
  const { samples, summary, regions, peaks } = prepared
  expect(Math.abs(summary.duration_seconds - 3)).toBeLessThanOrEqual(0.06)
  expect(samples.length / 16_000).toBeCloseTo(summary.duration_seconds, 3)
  const first = samples.findIndex((sample) => Math.abs(sample) > 4000) / 16_000
  expect(Math.abs(first - 1)).toBeLessThanOrEqual(slackSeconds)
  expect(Math.abs((summary.peak_dbfs ?? 0) - -6.02)).toBeLessThan(1.5)
  expect(Math.abs((summary.loudness_dbfs ?? 0) - (-9.03 - 4.77))).toBeLessThan(1)
  expect(peaks).toHaveLength(Math.ceil(summary.duration_seconds * 20))
  expect(regions).toHaveLength(1)
  expect(summary.speech_seconds).toBeCloseTo((regions[0]?.end ?? 0) - (regions[0]?.start ?? 0), 2)
}

describe('prepare: WAV by itself', () => {
  it.each<[string, WavShape, string]>([
    ['16 bit', {}, 'pcm_s16le'],
    ['24 bit', { bits: 24 }, 'pcm_s24le'],
    ['float', { tag: 3, bits: 32 }, 'pcm_f32le'],
    ['a stream without sizes', { statedBytes: 0xffff_ffff }, 'pcm_s16le'],
  ])('[PR1] %s', async (_, shape, codec) => {
    const prepared = await run(beep(shape), { allowed: ['built_in'], searchPath: '' })
    expectBeep(prepared, 0.002)
    expect(prepared.summary.source).toEqual({ container: 'wav', codec, channels: 2, sample_rate_hz: 44_100 })
    expect(prepared.summary.decoder).toBe('built_in')
  })

  it('[PR1] raw samples by their name', async () => {
    const bytes = new Uint8Array(Int16Array.from(sine(440, 0.5), (sample) => sample * 32_767).buffer)
    const { summary } = await run(file('raw', bytes), every, 'call.s16')
    expect(summary).toMatchObject({
      duration_seconds: 0.5,
      decoder: 'built_in',
      warnings: [],
      source: { container: 'raw' },
    })
  })

  it('[PR2] digital silence is fine: no loudness, no speech', async () => {
    const { summary, regions } = await run(file('silence.wav', wav([new Float32Array(16_000)])))
    expect(summary).toMatchObject({
      duration_seconds: 1,
      loudness_dbfs: null,
      peak_dbfs: null,
      speech_seconds: 0,
    })
    expect(regions).toEqual([])
  })

  it('[PR3] progress begins at 0, ends at 100 and never falls', async () => {
    const { reports } = await run(file('long.wav', wav([sine(440, 30)])))
    const percents = reports.map((report) => report.progress.percent ?? -1)
    expect(percents.length).toBeGreaterThan(4)
    expect([percents[0], percents.at(-1)]).toEqual([0, 100])
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
  })
})

describe.runIf(hasFfmpeg)('prepare: everything else by ffmpeg', () => {
  it.each([
    ['mp3', 'mp3', []],
    ['m4a', 'aac', []],
    ['flac', 'flac', []],
    ['ogg', 'vorbis', ['-c:a', 'libvorbis']],
    ['webm', 'opus', []],
  ])('[PR4] %s', async (suffix, codec, options) => {
    const prepared = await run(encoded(suffix, ...options))
    expectBeep(prepared)
    expect(prepared.summary).toMatchObject({ decoder: 'ffmpeg', source: { codec, channels: 2 } })
    expect(prepared.reports.at(-1)?.progress.percent).toBe(100)
  })

  it('[PR4] a film: its first audio stream alone', async () => {
    const film = [
      '-f',
      'lavfi',
      '-i',
      'color=size=32x32:rate=5:duration=3',
      '-map',
      '1:v',
      '-map',
      '0:a',
      '-c:v',
      'mpeg4',
    ]
    expectBeep(await run(encoded('mp4', ...film)))
  })

  it('[PR5] a truncated mp3 is used as far as it goes', async () => {
    const whole = readFileSync(encoded('mp3'))
    const { summary } = await run(file('cut.mp3', whole.subarray(0, whole.length / 2)))
    expect(summary.duration_seconds).toBeGreaterThan(1)
    expect(summary.duration_seconds).toBeLessThan(2)
  })

  it('[PR5] a truncated m4a, from which nothing decodes, is invalid_audio with ffmpeg’s reason', async () => {
    const whole = readFileSync(encoded('m4a'))
    const error = await taskErrorOf(run(file('cut.m4a', whole.subarray(0, whole.length / 2))))
    expect(error).toMatchObject({ code: 'invalid_audio', retryable: false })
    expect(error.message).toMatch(/moov atom not found/)
    expect(error.message).not.toContain(folder.path)
  })

  it('[PR6] a playlist behind an ID3 tag names no file that is opened', async () => {
    const lines = [
      '#EXTM3U',
      '#EXT-X-TARGETDURATION:9',
      '#EXTINF:3,',
      `file:${encoded('mp3')}`,
      '#EXT-X-ENDLIST',
      '',
    ]
    const tag = Buffer.concat([Buffer.from('ID3\x03\0\0\0\0\0\x0a'), Buffer.alloc(10)])
    const trap = file('trap.mp3', Buffer.concat([tag, Buffer.from(lines.join('\n'))]))
    for (const decoders of [withFfmpeg, withNodeAv])
      expect(await taskErrorOf(run(trap, decoders))).toMatchObject({ code: 'invalid_audio' })
  })

  it('[PR7] a cancel ends ffmpeg', async () => {
    // Says which process it is, then never ends.
    const program = folder.join('ffmpeg')
    const pidFile = folder.join('pid')
    writeFileSync(program, `#!/bin/sh\necho $$ > ${pidFile}\nhead -c 3200 /dev/zero\nexec sleep 60\n`)
    chmodSync(program, 0o755)
    const controller = new AbortController()
    const { context } = recordingContext(controller.signal)
    const running = prepare.run(
      {
        stage: 'prepare',
        inputs: { upload: file('x.mp3', 'ID3\x03\0\0\0') },
        outputFolder: folder.path,
        parameters: PARAMETERS,
      },
      { allowed: ['ffmpeg'], searchPath: folder.path },
      { ...context, report: () => existsSync(pidFile) && controller.abort(new Error('cancelled')) },
    )
    await expect(running).rejects.toThrow('cancelled')
    expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow(/ESRCH/)
  })
})

describe('prepare: node-av where there is no ffmpeg', () => {
  const sources = new Map<string, string>()
  beforeAll(() => {
    for (const suffix of hasFfmpeg ? ['mp3', 'm4a', 'ogg'] : []) sources.set(suffix, encoded(suffix))
  })

  it.runIf(hasFfmpeg).each(['mp3', 'm4a', 'ogg'])('[PR8] %s', async (suffix) => {
    const prepared = await run(sources.get(suffix) ?? '', {
      allowed: ['built_in', 'ffmpeg', 'node_av'],
      searchPath: '',
    })
    expectBeep(prepared)
    expect(prepared.summary.decoder).toBe('node_av')
    expect(prepared.summary.source).toMatchObject({ channels: 2 })
  })

  it('[PR8] WAV, when the built-in reader is left out', async () => {
    const prepared = await run(beep(), withNodeAv)
    expectBeep(prepared, 0.002)
    expect(prepared.summary.source).toEqual({
      container: 'wav',
      codec: 'pcm_s16le',
      channels: 2,
      sample_rate_hz: 44_100,
    })
  })

  it('[PR8] with no decoder at all the error says what to install', async () => {
    const error = await taskErrorOf(
      run(file('x.mp3', 'ID3\x03\0\0\0'), { allowed: ['built_in'], searchPath: '' }),
    )
    expect(error).toMatchObject({ code: 'decoder_missing', retryable: false })
    expect(error.message).toMatch(/Install ffmpeg .* npm install node-av/)
  })
})

describe('prepare: bad files', () => {
  it.each<[string, Uint8Array | string, string]>([
    ['empty.mp3', '', 'empty_file'],
    ['text.wav', 'this is not a recording\n', 'not_audio'],
    ['page.mp3', '<!doctype html><title>404</title>', 'not_audio'],
    ['image.wav', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'not_audio'],
    ['list.m3u8', '#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/a.ts\n', 'playlist_refused'],
    ['concat.txt', 'concat:/etc/passwd|/etc/hosts', 'playlist_refused'],
    ['zero.wav', wav([new Float32Array(0)]), 'zero_length_audio'],
    ['header.wav', wav([sine(440, 1)]).subarray(0, 30), 'invalid_audio'],
    ['noise.mp3', Uint8Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251), 'invalid_audio'],
  ])('[PR9] %s is %s', async (name, content, code) => {
    const path = file(name, typeof content === 'string' ? Buffer.from(content, 'latin1') : content)
    const error = await taskErrorOf(run(path, every, name))
    expect(error).toMatchObject({ code, retryable: false })
    expect(error.message.length).toBeGreaterThan(20)
  })

  it.runIf(hasFfmpeg)('[PR9] a film without sound is not_audio, by both decoders', async () => {
    const path = folder.join('mute.mp4')
    const color = ['-f', 'lavfi', '-i', 'color=size=32x32:rate=5:duration=1', '-c:v', 'mpeg4']
    execFileSync('ffmpeg', ['-nostdin', '-loglevel', 'error', ...color, path])
    for (const decoders of [withFfmpeg, withNodeAv])
      expect(await taskErrorOf(run(path, decoders))).toMatchObject({ code: 'not_audio' })
  })
})

describe('[PR11] a file that was cut is used as far as it goes, and says so', () => {
  it('a WAV whose header states more than the file holds', async () => {
    const whole = readFileSync(beep())
    const { summary } = await run(file('cut.wav', whole.subarray(0, whole.length / 2)))
    expect(summary.duration_seconds).toBeCloseTo(1.5, 1)
    expect(summary.warnings).toEqual([
      {
        stage: 'prepare',
        code: 'truncated',
        message: 'The file states 3.0 s of audio; 1.5 s could be read.',
      },
    ])
  })

  it.runIf(hasFfmpeg)('an mp3 with a stated length, by ffmpeg; a whole one says nothing', async () => {
    const path = encoded('mp3', '-b:a', '128k')
    expect((await run(path, withFfmpeg)).summary.warnings).toEqual([])
    const whole = readFileSync(path)
    const { summary } = await run(file('cut.mp3', whole.subarray(0, whole.length / 2)), withFfmpeg)
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['truncated'])
  })
})
