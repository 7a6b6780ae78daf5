import { expect, test } from 'vitest'
import { aVisitor, ORIGIN, type Visitor } from './kit/browser-like.ts'
import { aCompletedJob } from './kit/builders.ts'
import { KEY } from './kit/console.ts'

/** A visitor with a finished job, and the post that would delete it. */
async function aTarget(): Promise<{ visitor: Visitor; path: string; exists: () => Promise<boolean> }> {
  const visitor = await aVisitor()
  const job = aCompletedJob()
  visitor.kit.api.put(job)
  const exists = async () => (await visitor.get(`/jobs/${job.id}`)).status === 200
  return { visitor, path: `/jobs/${job.id}/delete`, exists }
}

test.each([
  ['says cross-site', { 'sec-fetch-site': 'cross-site' }],
  ['says same-site, which is not ours', { 'sec-fetch-site': 'same-site' }],
  ['names another origin', { origin: 'https://evil.test' }],
  ['comes from a sandboxed frame', { origin: 'null' }],
])('[U7] a post whose browser %s is refused, even with the token', async (_what, headers) => {
  const { visitor, path, exists } = await aTarget()
  const response = await visitor.post(path, { form: { csrf_token: await visitor.csrfToken() }, headers })
  expect(response.status).toBe(403)
  expect(await exists()).toBe(true)
})

test.each([
  ['no token', {}],
  ['a wrong token', { csrf_token: 'f'.repeat(64) }],
  ['an empty token', { csrf_token: '' }],
])('[U7] a post of our own origin with %s is refused', async (_what, form) => {
  const { visitor, path, exists } = await aTarget()
  expect((await visitor.post(path, { form })).status).toBe(403)
  expect(await exists()).toBe(true)
})

test('[U7] the token of one session is none for another', async () => {
  const { visitor, path } = await aTarget()
  const other = await aVisitor()
  expect((await visitor.post(path, { form: { csrf_token: await other.csrfToken() } })).status).toBe(403)
})

test('[U7] with both locks open the post does what it says', async () => {
  const { visitor, path, exists } = await aTarget()
  const response = await visitor.post(path, { form: { csrf_token: await visitor.csrfToken() } })
  expect([response.status, response.headers.get('location')]).toEqual([303, '/jobs'])
  expect(await exists()).toBe(false)
})

test('[U7] signing a visitor in from another site is refused', async () => {
  const { visitor } = await aTarget()
  const headers = { 'sec-fetch-site': 'cross-site' }
  const response = await visitor.post('/sign-in', { form: { key: KEY }, headers })
  expect([response.status, response.headers.get('set-cookie')]).toEqual([403, null])
})

test('[U7] a refused upload is not read, and says why as a problem', async () => {
  const { visitor } = await aTarget()
  let cancelled = false
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(1000)),
    cancel: () => {
      cancelled = true
    },
  })
  const headers = {
    cookie: '',
    'content-type': 'multipart/form-data; boundary=x',
    'sec-fetch-site': 'cross-site',
  }
  const request = new Request(`${ORIGIN}/ui/jobs`, { method: 'POST', headers, body, duplex: 'half' })
  const response = await visitor.kit.fetch(request)
  expect(await response?.json()).toMatchObject({ status: 403, code: 'forbidden' })
  expect(cancelled).toBe(true)
})

test('[U8] every answer forbids inline code, framing, sniffing and caching', async () => {
  const { visitor } = await aTarget()
  for (const path of ['/sign-in', '/jobs', '/engines', '/ui/jobs', '/jobs/nonsense']) {
    const { headers } = await visitor.get(path)
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toMatch(/unsafe|\*|data:/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toBe('no-store')
  }
})
