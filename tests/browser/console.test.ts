import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasFfmpeg, runProgram } from '#tests/e2e/kit/installation.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { wordErrorRate } from '#tests/kit/word-error-rate.ts'
import { axe, LOOKS, launch, openWindow, overflow, tabTo, type Window } from './kit/browser.ts'
import { dropFiles } from './kit/drop.ts'
import { type RealServer, startServer } from './kit/real-server.ts'

/** The console of a real server with a real agent and the embedded model, in a real browser. */
const SAMPLES = fileURLToPath(new URL('../../models/embedded/samples/', import.meta.url))
const HOSTILE = '<script>window.pwned=1</script><img src=x onerror=window.pwned=1>.wav'

/** The call again and again: half an hour takes seconds on any machine, and an engine reports once a second. */
const REPEATS = 30
const WAV_HEADER_BYTES = 44

const recordings = new TempFolder()
let server: RealServer
let browser: Browser
/** Signed in by the first tests, and used by all that follow. */
let visitor: Window

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), launch()])
  visitor = await openWindow(browser)
  await visitor.page.goto(await server.signInLink())
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
  recordings[Symbol.dispose]()
})

/** Whatever a test did, the browser's console must have had nothing to say. */
function expectQuiet(window: Window): void {
  expect(window.complaints).toEqual([])
}

function longCall(path: string): string {
  const call = readFileSync(`${SAMPLES}call.wav`)
  const samples = call.subarray(WAV_HEADER_BYTES)
  const header = Buffer.from(call.subarray(0, WAV_HEADER_BYTES))
  header.writeUInt32LE(samples.length * REPEATS + WAV_HEADER_BYTES - 8, 4)
  header.writeUInt32LE(samples.length * REPEATS, WAV_HEADER_BYTES - 4)
  writeFileSync(path, Buffer.concat([header, ...Array.from({ length: REPEATS }, () => samples)]))
  return path
}

/** Opens the jobs page and waits until its script has taken the form over. */
async function jobsPage(page: Page): Promise<void> {
  await page.goto(`${server.url}/jobs`)
  await page.waitForLoadState('load')
}

async function transcriptOf(page: Page): Promise<string> {
  await page.waitForSelector('.segments', { timeout: 45_000 })
  return page.innerText('.segments')
}

test('[U4] signing in with the key works by keyboard alone, after a wrong one was explained', async () => {
  const window = await openWindow(browser)
  const { page } = window
  await page.goto(server.url)
  await page.keyboard.type('dk_wrong')
  await page.keyboard.press('Enter')
  expect(await page.getByRole('alert').innerText()).toContain('no key of this server')
  await page.keyboard.type(server.key)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/jobs')
  const [cookie] = await window.context.cookies()
  expect(cookie).toMatchObject({ name: 'dalston_session', httpOnly: true, sameSite: 'Lax' })
  await tabTo(page, 'form[action="/sign-out"] button')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/sign-in')
  await page.goto(`${server.url}/jobs`)
  expect(page.url()).toContain('/sign-in?next=')
  // A refused key is a 401, which the browser itself notes.
  expect(window.complaints.filter((text) => !text.includes('401'))).toEqual([])
  await window.context.close()
})

test('[U5] a one-time link signs one visitor in, once', async () => {
  const link = await server.signInLink()
  const [first, second] = [await openWindow(browser), await openWindow(browser)]
  await first.page.goto(link)
  expect(new URL(first.page.url()).pathname).toBe('/jobs')
  expectQuiet(first)
  await second.page.goto(link)
  expect(await second.page.getByRole('alert').innerText()).toContain('used already')
  await Promise.all([first.context.close(), second.context.close()])
})

test('an upload leads to its job, which fills up live until the words are there', async () => {
  const { page } = visitor
  await jobsPage(page)
  await page.setInputFiles('#files', longCall(recordings.join('call.wav')))
  await page.waitForURL('**/jobs/job_*')
  const titles = new Set<string>()
  const partials = new Set<string>()
  while ((await page.locator('.segments').count()) === 0) {
    titles.add(await page.title())
    for (const text of await page.locator('.live-text').allInnerTexts()) partials.add(text)
  }
  expect(await transcriptOf(page)).toMatch(/customer service/)
  expect([...titles].filter((title) => /^\d+ % · call\.wav/.test(title)).length).toBeGreaterThan(1)
  expect(partials.size).toBeGreaterThan(1)
  const stages = await page.locator('.stage').allInnerTexts()
  expect(stages.map((stage) => stage.split('\n')[0])).toEqual(['Prepare', 'Transcribe', 'Merge'])
  for (const stage of stages) expect(stage).toContain('completed')
  expect(await page.locator('.notice').allInnerTexts()).toEqual([expect.stringContaining('embedded model')])
  expect(await page.title()).toBe('call.wav – Dalston')
  expectQuiet(visitor)
})

test('[U13] after the end nothing asks for events any more, and a reload shows the same', async () => {
  const { page } = visitor
  const before = await transcriptOf(page)
  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await page.reload()
  expect(await transcriptOf(page)).toBe(before)
  expect(asked.filter((path) => path.endsWith('/events'))).toEqual([])
})

test('a line for the terminal is copied, and works', async () => {
  const { page, context } = visitor
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy: This job by curl' }).click()
  await page.getByText('Copied').waitFor()
  const line = await page.evaluate<string>('navigator.clipboard.readText()')
  const url = line.split(' ').at(-1) ?? ''
  const job = await fetch(url, { headers: { authorization: `Bearer ${server.key}` } })
  expect(await job.json()).toMatchObject({ status: 'completed', name: 'call.wav' })
})

test('a transcript is taken away as a file', async () => {
  const { page } = visitor
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[href$="/export/srt"]')])
  expect(readFileSync(await download.path(), 'utf8')).toMatch(/^1\r?\n00:00:0\d,\d{3} --> /)
})

test('[U1] [U19] recordings are dropped on the page, several at once, whatever their names', async () => {
  const { page } = visitor
  await jobsPage(page)
  const bytes = readFileSync(`${SAMPLES}dictation.wav`)
  await dropFiles(page, [
    { name: HOSTILE, bytes },
    { name: 'zweite Aufnahme 日本語.wav', bytes },
  ])
  await page.waitForSelector('.uploads li:nth-child(2) a')
  expect(await page.locator('.upload-name').allInnerTexts()).toEqual([HOSTILE, 'zweite Aufnahme 日本語.wav'])
  await page.locator('.uploads li:first-child a').click()
  await page.waitForURL('**/jobs/job_*')
  expect(await page.locator('h1').innerText()).toBe(HOSTILE)
  expect((await transcriptOf(page)).length).toBeGreaterThan(20)
  await jobsPage(page)
  await page.getByRole('link', { name: HOSTILE }).waitFor()
  expect(await page.evaluate<boolean>("'pwned' in window")).toBe(false)
  expectQuiet(visitor)
})

test('[U19] a large recording goes in parts and becomes a job all the same', async () => {
  const { page } = visitor
  await jobsPage(page)
  // What is large is lowered, so that the test need not send 90 MB.
  await page.evaluate("document.querySelector('[data-whole-bytes]').dataset.wholeBytes = '1000'")
  const parts: string[] = []
  page.on('request', (request) => request.method() === 'PUT' && parts.push(new URL(request.url()).pathname))
  await page.setInputFiles('#files', `${SAMPLES}dictation.wav`)
  await page.waitForURL('**/jobs/job_*')
  expect(parts).toEqual([expect.stringMatching(/^\/ui\/uploads\/upload_\w+\/parts\/1$/)])
  expect(await page.locator('h1').innerText()).toBe('dictation.wav')
  expect((await transcriptOf(page)).length).toBeGreaterThan(20)
  expectQuiet(visitor)
})

test.runIf(hasFfmpeg).each(['mp3', 'm4a'])('[U19] an %s goes the same way', async (format) => {
  const path = recordings.join(`dictation.${format}`)
  await runProgram('ffmpeg', ['-v', 'error', '-y', '-i', `${SAMPLES}dictation.wav`, '-b:a', '96k', path])
  const { page } = visitor
  await jobsPage(page)
  await page.setInputFiles('#files', path)
  await page.waitForURL('**/jobs/job_*')
  const truth = readFileSync(`${SAMPLES}dictation.txt`, 'utf8')
  await page.waitForSelector('.segments', { timeout: 45_000 })
  const heard = (await page.locator('.segments p').allInnerTexts()).join(' ')
  expect(wordErrorRate([[truth, heard]])).toBeLessThanOrEqual(0.08)
  expectQuiet(visitor)
})

test('a file that is no audio is explained where the visitor looks', async () => {
  const { page } = visitor
  await jobsPage(page)
  await page.setInputFiles('#files', {
    name: 'notes.wav',
    mimeType: 'audio/wav',
    buffer: Buffer.from('only words here, no sound at all\n'.repeat(50)),
  })
  // Refused at once beside its name, or a job that fails with the reason: either way it is said.
  const said = page.locator('.uploads .failed, .notice.tone-bad')
  await said.first().waitFor({ timeout: 30_000 })
  expect(await said.first().innerText()).toMatch(/audio/i)
})

test('[U7] a form on another site cannot delete a job', async () => {
  const { page, context } = visitor
  await page.goto(`${server.url}/jobs?status=completed`)
  const path = await page.locator('.list .name a').first().getAttribute('href')
  const attack = `<form method="post" action="${server.url}${path}/delete"></form><script>document.forms[0].submit()</script>`
  await context.route('http://evil.test/', (route) =>
    route.fulfill({ contentType: 'text/html', body: attack }),
  )
  const other = await context.newPage()
  const answer = other.waitForResponse((response) => response.url().endsWith('/delete'))
  await other.goto('http://evil.test/').catch(() => undefined)
  expect((await answer).status()).toBe(403)
  await other.close()
  expect((await page.goto(`${server.url}${path}`))?.status()).toBe(200)
})

test('a job is deleted by keyboard, after a question that Escape closes', async () => {
  const { page } = visitor
  await page.goto(`${server.url}/jobs?status=completed`)
  await page.locator('.list .name a', { hasText: 'zweite Aufnahme 日本語.wav' }).click()
  await page.waitForURL('**/jobs/job_*')
  const address = page.url()
  await transcriptOf(page)
  await tabTo(page, '[popovertarget="confirm-delete"]')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  await page.keyboard.press('Enter')
  await tabTo(page, '#confirm-delete .danger')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/jobs')
  expect((await page.goto(address))?.status()).toBe(404)
})

test('[U15] a join line is made where it is asked for', async () => {
  const { page } = visitor
  await page.goto(`${server.url}/engines`)
  await page.getByRole('button', { name: 'Add an agent' }).click()
  expect(await page.locator('#join code').first().innerText()).toMatch(
    /agent --server http:\/\/127\.0\.0\.1:\d+ --token dj_\w+$/,
  )
})

test.each(LOOKS)(
  '[U20] every page fits $width px in $colorScheme, without anything for axe to find',
  async (look) => {
    const window = await openWindow(browser, look, visitor)
    const { page } = window
    await page.goto(`${server.url}/jobs?status=completed`)
    const job = await page.locator('.list .name a').first().getAttribute('href')
    for (const path of ['/sign-in', '/jobs', job, '/engines', '/jobs?status=cancelled']) {
      await page.goto(`${server.url}${path}`)
      expect(await overflow(page), `${path} is wider than its window`).toBeLessThanOrEqual(0)
      expect(await axe(page), path ?? '').toEqual([])
    }
    expectQuiet(window)
    await window.context.close()
  },
)
