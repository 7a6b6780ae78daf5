import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobEvent } from '#protocol/events.ts'
import type { JobView } from '#protocol/job.ts'
import {
  aCompletedJob,
  aJob,
  aJobId,
  aModel,
  anAgent,
  anEngine,
  aSegment,
  aStage,
} from '#tests/site/kit/builders.ts'
import { KEY } from '#tests/site/kit/console.ts'
import { type KitServer, serveKit } from '#tests/site/kit/serve.ts'
import { axe, LOOKS, type Look, launch, openWindow, overflow, tabTo, type Window } from './kit/browser.ts'

/** States that a healthy server rarely shows, and connections that break: the console's own code over a scripted API. */
let server: KitServer
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([serveKit(), launch()])
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

async function signedIn(look?: Look): Promise<Window> {
  const window = await openWindow(browser, look)
  await window.page.goto(server.url)
  await window.page.fill('#key', KEY)
  await window.page.keyboard.press('Enter')
  await window.page.waitForURL('**/jobs')
  return window
}

function secondsAgo(seconds: number): string {
  return new Date(Date.now() - seconds * 1000).toISOString()
}

/** A job in the middle of its transcription, in the server's API. */
function aRunningJob(name = 'call.wav'): JobView {
  const id = aJobId()
  const stages = [
    aStage(id, {
      stage: 'prepare',
      status: 'completed',
      ready_at: secondsAgo(9),
      started_at: secondsAgo(8),
      completed_at: secondsAgo(6),
      progress: null,
    }),
    aStage(id, {
      ready_at: secondsAgo(6),
      started_at: secondsAgo(4),
      progress: { percent: 20, message: 'window 2 of 10' },
    }),
    aStage(id, {
      stage: 'merge',
      status: 'pending',
      ready_at: null,
      started_at: null,
      wait_ms: null,
      progress: null,
      why: 'waits for transcribe',
    }),
  ]
  const job = aJob({ id, name, created_at: secondsAgo(10), started_at: secondsAgo(9), stages })
  server.console.api.put(job)
  return job
}

function progressOf(job: JobView, percent: number): JobEvent {
  const { task_id } = aStage(job.id)
  const current = { current_stage: 'transcribe', current_stage_progress: percent } as const
  const progress = { overall: percent, ...current, eta: null }
  return { type: 'task.progress', task_id, stage: 'transcribe', task: { percent, message: null }, progress }
}

async function streams(job: JobView, count: number): Promise<void> {
  await expect.poll(() => server.console.api.readersOf(job.id)).toBe(count)
}

test('[U12] progress and partial text reach the page without a reload, and what the visitor opened stays open', async () => {
  const { page, context, complaints } = await signedIn()
  const job = aRunningJob()
  await page.goto(`${server.url}/jobs/${job.id}`)
  await streams(job, 1)
  await page.click('[popovertarget="confirm-cancel"]')
  server.console.api.emit(job.id, progressOf(job, 64))
  await page.locator('#stage-transcribe progress[value="64.0"]').waitFor()
  const partial = {
    task_id: aStage(job.id).task_id,
    revision: 1,
    start: 0,
    end: 4,
    text: 'words <b>so far</b>',
  }
  server.console.api.emit(job.id, { type: 'transcript.partial', partial })
  await page.getByText('words <b>so far</b>').waitFor()
  expect(await page.getByRole('dialog').isVisible()).toBe(true)
  expect(complaints).toEqual([])
  await context.close()
})

test('[U13] a broken stream is opened again and the page catches up', async () => {
  const { page, context } = await signedIn()
  const job = aRunningJob()
  await page.goto(`${server.url}/jobs/${job.id}`)
  await streams(job, 1)
  server.console.api.disconnect(job.id)
  server.console.api.emit(job.id, progressOf(job, 91))
  await page.locator('#job-progress progress[value="91"]').waitFor()
  await streams(job, 1)
  await context.close()
})

test('[U13] leaving the page closes its stream', async () => {
  const { page, context } = await signedIn()
  const job = aRunningJob()
  await page.goto(`${server.url}/jobs/${job.id}`)
  await streams(job, 1)
  await page.goto(`${server.url}/engines`)
  await streams(job, 0)
  await context.close()
})

test('[U13] a job that ends shows its transcript without a reload', async () => {
  const { page, context, complaints } = await signedIn()
  const job = aRunningJob()
  await page.goto(`${server.url}/jobs/${job.id}`)
  await streams(job, 1)
  const done = aCompletedJob({ id: job.id, segments: [aSegment({ text: 'the last word' })] })
  const { text, segments, words, ...view } = done
  const { progress, pipeline_warnings } = view
  server.console.api.emit(
    job.id,
    { type: 'job.completed', at: secondsAgo(0), progress, pipeline_warnings, job: view },
    { text, segments, words },
  )
  await page.getByText('the last word').waitFor()
  expect(await page.getByRole('status').allInnerTexts()).toEqual(['Job completed'])
  expect(complaints).toEqual([])
  await context.close()
})

test('[U16] the list shows a new job by itself, and keeps the focus where it was', async () => {
  const { page, context } = await signedIn()
  await tabTo(page, '.filters a')
  const focused = await page.locator(':focus').innerText()
  aRunningJob('just-arrived.wav')
  await page.getByRole('link', { name: 'just-arrived.wav' }).waitFor()
  expect(await page.locator(':focus').innerText()).toBe(focused)
  await context.close()
})

test('[U2] when the session has ended, an open page leads to sign-in', async () => {
  const { page, context } = await signedIn()
  await context.clearCookies()
  await page.waitForURL('**/sign-in')
  await context.close()
})

test('[U19] the file picker is reached by keyboard, and a refused file is explained beside its name', async () => {
  const { page, context } = await signedIn()
  server.console.api.onCreate = () => 'invalid_audio'
  await tabTo(page, '#files')
  await page.setInputFiles('#files', [
    { name: 'one.wav', mimeType: 'audio/wav', buffer: Buffer.from('x') },
    { name: 'two.wav', mimeType: 'audio/wav', buffer: Buffer.from('y') },
  ])
  await expect.poll(() => page.locator('.uploads .failed').allInnerTexts()).toHaveLength(2)
  expect(await page.locator('.uploads .failed').first().innerText()).toContain('the file holds no audio')
  await context.close()
})

test('without scripts every page can be read, and a job cancelled', async () => {
  const job = aRunningJob('quiet.wav')
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(server.url)
  await page.fill('#key', KEY)
  await page.click('button[type=submit]')
  await page.getByRole('link', { name: 'quiet.wav' }).click()
  expect(await page.locator('#stage-transcribe').innerText()).toContain('20 %')
  await page.click('[popovertarget="confirm-cancel"]')
  await page.click('#confirm-cancel .danger')
  await page.waitForURL(`**/jobs/${job.id}`)
  expect(await page.locator('.title-row').innerText()).toContain('cancelled')
  await context.close()
})

test('reduced motion stills everything that moves', async () => {
  const { page, context } = await signedIn()
  await page.emulateMedia({ reducedMotion: 'reduce' })
  const job = aRunningJob()
  await page.goto(`${server.url}/jobs/${job.id}`)
  const moving = await page.evaluate<number>('document.getAnimations().length')
  expect(moving).toBe(0)
  await context.close()
})

test.each(LOOKS)(
  '[U20] every state fits $width px in $colorScheme, without anything for axe to find',
  async (look) => {
    const { api } = server.console
    const longWord = `${'donaudampfschifffahrtsgesellschaft-'.repeat(6)}.wav`
    const running = aRunningJob(longWord)
    const error = { code: 'invalid_audio', message: `no audio in ${longWord}`, stage: 'prepare' } as const
    const failedId = aJobId()
    const failed = aJob({
      id: failedId,
      status: 'failed',
      completed_at: secondsAgo(1),
      error,
      stages: [aStage(failedId, { stage: 'prepare', status: 'failed', error })],
    })
    const waiting = aJob({
      status: 'pending',
      started_at: null,
      why: 'No agent is connected. Run `dalston agents token`.',
    })
    const done = aCompletedJob({
      name: longWord,
      segments: [aSegment({ text: longWord, speaker: longWord })],
      pipeline_warnings: [{ stage: 'transcribe', code: 'x', message: longWord }],
    })
    for (const job of [failed, waiting, done]) api.put(job)
    api.engines = [
      anEngine({ status: 'busy', agent_name: longWord }),
      anEngine({ engine_id: 'prepare', stages: ['prepare'], status: 'unhealthy' }),
    ]
    api.models = [aModel({ name: longWord.slice(0, 200) })]
    api.agents = [anAgent({ name: longWord, status: 'suspect' })]
    const { page, context, complaints } = await signedIn(look)
    const states = [running, failed, waiting, done].map((job) => `/jobs/${job.id}`)
    for (const path of [...states, '/jobs', '/engines']) {
      await page.goto(`${server.url}${path}`)
      expect(await overflow(page), `${path} is wider than its window`).toBeLessThanOrEqual(0)
      expect(await axe(page), path).toEqual([])
    }
    api.agents = []
    api.engines = []
    await page.goto(`${server.url}/engines`)
    expect(await axe(page)).toEqual([])
    expect(complaints).toEqual([])
    await context.close()
  },
)
