import { openAsBlob, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobDocument } from '#protocol/api.ts'
import { isTerminalEvent } from '#protocol/events.ts'
import { wav } from '#tests/kit/wav-writer.ts'
import { wordErrorRate } from '#tests/kit/word-error-rate.ts'
import { hasFfmpeg, Installation, runProgram, sample } from './kit/installation.ts'

/** The model's own target on sentences that it never saw. */
const MAX_WORD_ERROR_RATE = 0.08
/** The left channel goes on when the right one is over. */
const LEFT = sample('call')
const RIGHT = sample('dictation')
const TEXTS = [LEFT.text, RIGHT.text]

let dalston: Installation
let stereo: string
beforeAll(async () => {
  dalston = await Installation.start()
  stereo = dalston.folder.join('stereo.wav')
  writeFileSync(stereo, wav([samplesOf(LEFT.path), samplesOf(RIGHT.path)]))
})
afterAll(() => dalston.stop())

describe('[E2E22] two people on two channels', () => {
  it('a stereo WAV: the words of each channel under its speaker, in transcript and srt', async () => {
    const job = await transcribed(stereo)
    expectChannels(job)
    expect(job.stages.map(({ stage, channel }) => [stage, channel])).toEqual([
      ['prepare', null],
      ['transcribe', 0],
      ['transcribe', 1],
      ['merge', null],
    ])
    expect(job.result).toMatchObject({ speaker_count: 2, diarization_source: 'channel' })
    expect(job.pipeline_warnings).toEqual([])
    const srt = await dalston.client.export(job.id, 'srt')
    for (const [channel, text] of TEXTS.entries()) expectWords(text, captionsOf(srt, `SPEAKER_0${channel}`))
  })

  it.runIf(hasFfmpeg).each(['mp3', 'm4a'])('a stereo %s', async (format) => {
    const converted = dalston.folder.join(`stereo.${format}`)
    await runProgram('ffmpeg', ['-v', 'error', '-y', '-i', stereo, '-ar', '44100', '-b:a', '192k', converted])
    expectChannels(await transcribed(converted))
  })

  it('a mono recording is one channel, with a warning and the words that it has without channels', async () => {
    const { text } = await transcribed(LEFT.path, 'none')
    const job = await transcribed(LEFT.path)
    expect(job.text).toBe(text)
    expect(new Set(job.segments?.map(({ channel, speaker }) => `${channel} ${speaker}`))).toEqual(
      new Set(['0 SPEAKER_00']),
    )
    expect(job.pipeline_warnings).toMatchObject([{ code: 'single_channel' }])
  })

  it('too many channels end as a failed job that says so', async () => {
    const path = dalston.folder.join('many.wav')
    writeFileSync(path, wav(Array.from({ length: 64 }, () => new Float32Array(1600))))
    const { code, err } = await dalston.dalston('transcribe', path, '--speaker-detection', 'per_channel')
    expect(code).toBe(5)
    expect(err).toMatch(/64 channels; at most 32/)
  })
})

/** The words that were said in each channel, in order, and whose they are. */
function expectChannels(job: JobDocument): void {
  const segments = job.segments ?? []
  for (const [channel, text] of TEXTS.entries()) {
    const own = segments.filter((segment) => segment.channel === channel)
    expectWords(text, own.map((segment) => segment.text).join(' '))
    expect(new Set(own.map(({ speaker }) => speaker))).toEqual(new Set([`SPEAKER_0${channel}`]))
  }
  const starts = segments.map(({ start }) => start)
  expect(starts).toEqual(starts.toSorted((a, b) => a - b))
}

function expectWords(truth: string, heard: string): void {
  expect(wordErrorRate([[truth, heard]]), heard).toBeLessThanOrEqual(MAX_WORD_ERROR_RATE)
}

/** What a reader of the captions takes for the words of that speaker. */
function captionsOf(srt: string, speaker: string): string {
  const cues = srt.trim().split('\n\n')
  const texts = cues.map((cue) => cue.split('\n').slice(2).join(' '))
  return texts
    .flatMap((text) => (text.startsWith(`${speaker}: `) ? [text.slice(speaker.length + 2)] : []))
    .join(' ')
}

async function transcribed(
  path: string,
  speaker_detection: 'none' | 'per_channel' = 'per_channel',
): Promise<JobDocument> {
  const fields = { speaker_detection }
  const { id } = await dalston.client.submit(await openAsBlob(path), basename(path), { fields })
  for await (const { event } of dalston.client.events(id)) if (isTerminalEvent(event)) break
  const job = await dalston.client.get(id)
  expect(job.status, JSON.stringify(job.error)).toBe('completed')
  return job
}

/** The samples ship as WAV of 16 bit behind a plain header of 44 bytes. */
function samplesOf(path: string): Float32Array {
  const bytes = Uint8Array.from(readFileSync(path).subarray(44))
  return Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32_768)
}
