import { openAsBlob } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Installation, runProgram } from '#tests/e2e/kit/installation.ts'

const TEN_HOURS_SECONDS = 36_000

let dalston: Installation
beforeAll(async () => {
  dalston = await Installation.start()
})
afterAll(() => dalston.stop())

it('[E2E9] ten hours of silence are a completed job, empty, with no_speech', async () => {
  const path = dalston.folder.join('silence.flac')
  const source = ['-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', String(TEN_HOURS_SECONDS)]
  await runProgram('ffmpeg', ['-v', 'error', ...source, path])
  const { id } = await dalston.client.submit(await openAsBlob(path), 'silence.flac')
  for await (const { job } of dalston.client.follow(id)) expect(job.status).not.toBe('failed')
  expect(await dalston.client.get(id)).toMatchObject({
    status: 'completed',
    audio_duration_seconds: TEN_HOURS_SECONDS,
    text: '',
    segments: [],
    words: [],
    result: { no_speech: true, segment_count: 0, word_count: 0 },
  })
})
