import { expect, test } from 'vitest'
import { aVisitor, ORIGIN } from './kit/browser-like.ts'
import { AGENT_ID, aCompletedJob, aJob, aModel, anAgent, anEngine, aSegment, aStage } from './kit/builders.ts'
import { textOf } from './kit/dom.ts'

test('the root leads to the jobs, and paths that are not the console are left to others', async () => {
  const visitor = await aVisitor()
  expect((await visitor.get('/')).headers.get('location')).toBe('/jobs')
  expect(await visitor.kit.fetch(new Request(`${ORIGIN}/v1/engines`))).toBeUndefined()
})

test('the first paint of a finished job holds its whole transcript, without scripts', async () => {
  const visitor = await aVisitor()
  const job = aCompletedJob({ segments: [aSegment({ text: 'words for everyone' })], stages: [] })
  visitor.kit.api.put(job)
  visitor.kit.api.agents = [anAgent()]
  const page = await (await visitor.get(`/jobs/${job.id}`)).text()
  expect(textOf(page)).toContain('words for everyone')
  expect(page).toContain('<title data-slot="title">call.wav – Dalston</title>')
})

test('[U1] a hostile file name is escaped in the title as well', async () => {
  const visitor = await aVisitor()
  const job = aCompletedJob({ name: '</title><script>alert(1)</script>' })
  visitor.kit.api.put(job)
  expect(await (await visitor.get(`/jobs/${job.id}`)).text()).not.toContain('<script>')
})

test('[U10] the pipeline names agents, whom the job knows by id', async () => {
  const visitor = await aVisitor()
  const job = aJob()
  visitor.kit.api.put({ ...job, stages: [aStage(job.id)] })
  visitor.kit.api.agents = [anAgent({ id: AGENT_ID, name: 'gpu-box' })]
  expect(textOf(await (await visitor.get(`/jobs/${job.id}`)).text())).toContain('ctc · embedded-en · gpu-box')
})

test.each(['/jobs/nonsense', '/jobs/job_00000000000000000000000000', '/jobs/..%2f..%2fadmin/export/txt'])(
  '%s is a page that says not found',
  async (path) => {
    const visitor = await aVisitor()
    const response = await visitor.get(path)
    expect(response.status).toBe(404)
    expect(textOf(await response.text())).toContain('Not found')
  },
)

test('an id that is none never becomes a path of the API', async () => {
  const visitor = await aVisitor()
  await visitor.get('/jobs/..%2f..%2fengines')
  expect(visitor.kit.api.seen.filter((path) => path.includes('..') || path.includes('%2f'))).toEqual([])
})

test('cancelling a job that has ended shows what the API answered', async () => {
  const visitor = await aVisitor()
  const job = aCompletedJob()
  visitor.kit.api.put(job)
  const response = await visitor.post(`/jobs/${job.id}/cancel`, {
    form: { csrf_token: await visitor.csrfToken() },
  })
  expect(response.status).toBe(409)
  expect(textOf(await response.text())).toContain('the job has ended')
})

test('cancelling a running job leads back to it', async () => {
  const visitor = await aVisitor()
  const job = aJob()
  visitor.kit.api.put(job)
  const response = await visitor.post(`/jobs/${job.id}/cancel`, {
    form: { csrf_token: await visitor.csrfToken() },
  })
  expect([response.status, response.headers.get('location')]).toEqual([303, `/jobs/${job.id}`])
  expect(textOf(await (await visitor.get(`/jobs/${job.id}`)).text())).toContain('cancelled')
})

test('[U19] an upload goes to the API with its body unread and its answer as it came', async () => {
  const visitor = await aVisitor()
  const token = await visitor.csrfToken()
  const made = aJob()
  let fields: Record<string, string> = {}
  visitor.kit.api.onCreate = (form) => {
    const file = form.get('file')
    fields = { model: String(form.get('model')), name: file instanceof File ? file.name : '' }
    return { ...made, text: null, segments: null, words: null }
  }
  const form = new FormData()
  form.append('model', 'embedded-en')
  form.append('file', new File(['RIFF'], 'call.wav'))
  const headers = { 'x-csrf-token': token, 'sec-fetch-site': 'same-origin' }
  const response = await visitor.post('/ui/jobs', { body: form, headers })
  expect([response.status, await response.json()]).toMatchObject([201, { id: made.id }])
  expect(fields).toEqual({ model: 'embedded-en', name: 'call.wav' })
})

test('exports come as files, and before the end as an explanation', async () => {
  const visitor = await aVisitor()
  const [done, running] = [aCompletedJob(), aJob()]
  visitor.kit.api.put(done)
  visitor.kit.api.put(running)
  const file = await visitor.get(`/jobs/${done.id}/export/srt`)
  expect(file.headers.get('content-disposition')).toContain('attachment')
  const early = await visitor.get(`/jobs/${running.id}/export/srt`)
  expect(early.status).toBe(409)
  expect(textOf(await early.text())).toContain('not completed')
  expect((await visitor.get(`/jobs/${done.id}/export/exe`)).status).toBe(404)
})

test('[U15] a join line is made by a post with the token, and shown once', async () => {
  const visitor = await aVisitor()
  visitor.kit.api.engines = [anEngine()]
  visitor.kit.api.models = [aModel()]
  expect(textOf(await (await visitor.get('/engines')).text())).not.toContain('dj_')
  const response = await visitor.post('/ui/agents/tokens', {
    form: { csrf_token: await visitor.csrfToken() },
  })
  expect(textOf(await response.text())).toContain('--token dj_test')
})

test('[U16] an unknown status shows all jobs', async () => {
  const visitor = await aVisitor()
  visitor.kit.api.put(aJob({ name: 'still-here.wav' }))
  expect(textOf(await (await visitor.get('/jobs?status=sleeping')).text())).toContain('still-here.wav')
})
