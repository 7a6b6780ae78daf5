import { openAsBlob, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTerminalEvent, type JobEvent } from '#protocol/events.ts'
import { wav } from '#tests/kit/wav-writer.ts'
import { wordErrorRate } from '#tests/kit/word-error-rate.ts'
import { hasFfmpeg, Installation, runProgram, sample } from './kit/installation.ts'

/** The model's own target on sentences that it never saw. */
const MAX_WORD_ERROR_RATE = 0.08

let dalston: Installation
beforeAll(async () => {
  dalston = await Installation.start()
})
afterAll(() => dalston.stop())

describe('real speech, real engine, real model', () => {
  it('[E2E1] a WAV goes through `dalston transcribe` and its words come back', async () => {
    const { path, text } = sample('call')
    const { code, out, err } = await dalston.dalston('transcribe', path)
    expect(code, err).toBe(0)
    expect(wordErrorRate([[text, out]])).toBeLessThanOrEqual(MAX_WORD_ERROR_RATE)
    expect(err).toContain('made by the small model that ships with Dalston')
  })

  it.runIf(hasFfmpeg).each(['mp3', 'm4a'])('[E2E2] an %s goes the same way', async (format) => {
    const { path, text } = sample('dictation')
    const converted = dalston.folder.join(`dictation.${format}`)
    await runProgram('ffmpeg', ['-v', 'error', '-y', '-i', path, '-b:a', '96k', converted])
    const { code, out, err } = await dalston.dalston('transcribe', converted)
    expect(code, err).toBe(0)
    expect(wordErrorRate([[text, out]])).toBeLessThanOrEqual(MAX_WORD_ERROR_RATE)
  })

  it('[E2E3] a reader of the stream sees each stage start and end, progress, text, and the end', async () => {
    const { path } = sample('call')
    const submitted = await submit(path)
    const types: JobEvent['type'][] = []
    let percent = 0
    for await (const { event } of dalston.client.events(submitted)) {
      types.push(event.type)
      if ('progress' in event) {
        expect(event.progress.overall).toBeGreaterThanOrEqual(percent)
        percent = event.progress.overall
      }
      if (isTerminalEvent(event)) break
    }
    expect(percent).toBe(100)
    expect(types[0]).toBe('snapshot')
    expect(types.at(-1)).toBe('job.completed')
    for (const type of ['task.started', 'task.progress', 'transcript.partial', 'task.completed'] as const) {
      expect(types).toContain(type)
    }
  })

  it('[E2E4] words have times inside their segment, in order, and the language says where it came from', async () => {
    const { path } = sample('dialogue')
    const id = await submit(path)
    await ended(id)
    const job = await dalston.client.get(id)
    const words = job.words ?? []
    expect(words.length).toBe(job.result?.word_count)
    for (const [index, word] of words.entries()) {
      expect(word.end).toBeGreaterThan(word.start)
      expect(word.start).toBeGreaterThanOrEqual(words[index - 1]?.start ?? 0)
    }
    expect(job.result).toMatchObject({
      language: 'en',
      language_source: 'model',
      granularity_achieved: 'word',
    })
    expect(job.stages.map((stage) => stage.engine_id)).toEqual(['prepare', 'ctc', 'edge'])
  })
})

describe('bad recordings', () => {
  it.each([
    ['text that is named .wav', 'note.wav', 'this is no sound at all, only a note\n'.repeat(20)],
    ['a picture that is named .mp3', 'photo.mp3', `\x89PNG\r\n\x1a\n${'\0'.repeat(300)}`],
    ['a WAV header and nothing after it', 'cut.wav', 'RIFF\x24\x00\x00\x00WAVEfmt '],
  ])('[E2E5] %s ends as a failed job with the reason', async (_what, name, content) => {
    const path = dalston.folder.join(name)
    writeFileSync(path, content, 'latin1')
    const { code, out, err } = await dalston.dalston('transcribe', path)
    expect(code).toBe(5)
    expect(out).toBe('')
    expect(err).toMatch(/prepare/)
    expect(err).not.toMatch(/\bat .*\.ts:\d+/)
  })

  it.runIf(hasFfmpeg)('[E2E6] an mp3 that was cut short gives the words that are there', async () => {
    const { path } = sample('dictation')
    const whole = dalston.folder.join('whole.mp3')
    await runProgram('ffmpeg', ['-v', 'error', '-y', '-i', path, '-b:a', '64k', whole])
    const bytes = readFileSync(whole)
    const cut = dalston.folder.join('cut.mp3')
    writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length / 2)))
    const { code, out } = await dalston.dalston('transcribe', cut)
    expect(code).toBe(0)
    expect(out.split(/\s+/).length).toBeGreaterThan(5)
  })

  it('[E2E7] silence is a completed job without words that says no_speech', async () => {
    const path = dalston.folder.join('silence.wav')
    writeFileSync(path, wav([new Float32Array(20 * 16_000)]))
    const id = await submit(path)
    await ended(id)
    const job = await dalston.client.get(id)
    expect(job).toMatchObject({
      status: 'completed',
      text: '',
      result: { no_speech: true, segment_count: 0 },
    })
  })
})

describe('privacy', () => {
  it('[E2E8] the log of server and agent holds no words of a transcript and no key', () => {
    const log = dalston.log()
    expect(log).toContain('task.ended')
    expect(log).not.toContain('northwind')
    expect(log).not.toContain(dalston.apiKey)
    expect(log).not.toMatch(/\b(da|dj)_[0-9A-Za-z]{33}/)
  })
})

async function submit(path: string): Promise<string> {
  const { id } = await dalston.client.submit(await openAsBlob(path), path.split('/').at(-1) ?? 'recording')
  return id
}

async function ended(id: string): Promise<void> {
  for await (const { event } of dalston.client.events(id)) if (isTerminalEvent(event)) return
}
