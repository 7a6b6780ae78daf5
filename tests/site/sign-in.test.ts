import { expect, test } from 'vitest'
import { aStranger, aVisitor, ORIGIN } from './kit/browser-like.ts'
import { KEY } from './kit/console.ts'
import { textOf } from './kit/dom.ts'

test('[U2] a page without a session leads to sign-in, and back afterwards', async () => {
  const visitor = aStranger()
  const refused = await visitor.get('/jobs?status=failed')
  expect([refused.status, refused.headers.get('location')]).toEqual([
    303,
    '/sign-in?next=%2Fjobs%3Fstatus%3Dfailed',
  ])
  const form = await (await visitor.get('/sign-in?next=%2Fjobs%3Fstatus%3Dfailed')).text()
  expect(form).toContain('name="next" value="/jobs?status=failed"')
  const entered = await visitor.post('/sign-in', { form: { key: KEY, next: '/jobs?status=failed' } })
  expect(entered.headers.get('location')).toBe('/jobs?status=failed')
})

test('[U2] fragments, streams and uploads without a session never reach the API', async () => {
  const visitor = aStranger()
  const fragment = await visitor.get('/ui/jobs')
  expect([fragment.status, fragment.headers.get('hx-redirect')]).toEqual([401, '/sign-in'])
  const job = 'job_00000000000000000000000000'
  expect((await visitor.get(`/ui/jobs/${job}/events`)).status).toBe(401)
  expect((await visitor.get('/engines')).status).toBe(303)
  const upload = await visitor.post('/ui/jobs')
  expect(await upload.json()).toMatchObject({ status: 401, code: 'unauthorized' })
  expect((await visitor.post(`/jobs/${job}/delete`)).status).toBe(303)
  expect(visitor.kit.api.seen).toEqual([])
})

test('[U3] the cookie is kept from scripts, from posts of other sites and, over https, from plain http', async () => {
  const response = await aStranger().post('/sign-in', { form: { key: KEY } })
  const cookie = response.headers.get('set-cookie')
  expect(cookie).toMatch(
    /^dalston_session=[0-9a-f]{32}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure$/,
  )
})

test('[U3] over plain http the cookie is not Secure, else a server on a laptop would have no sessions', async () => {
  const { kit } = aStranger()
  const body = new URLSearchParams({ key: KEY })
  const response = await kit.fetch(new Request('http://127.0.0.1:8787/sign-in', { method: 'POST', body }))
  expect(response?.headers.get('set-cookie')).not.toContain('Secure')
})

test('[U3] signing out ends the session itself, not only the cookie', async () => {
  const visitor = await aVisitor()
  const stolen = await aStranger(visitor.kit)
  const signedIn = await stolen.post('/sign-in', { form: { key: KEY } })
  const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
  const out = await stolen.post('/sign-out', { form: { csrf_token: await stolen.csrfToken() } })
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  const again = await visitor.kit.fetch(new Request(`${ORIGIN}/jobs`, { headers: { cookie } }))
  expect(again?.status).toBe(303)
})

test('[U4] a wrong key gets the form again, with what a key looks like, and no session', async () => {
  const response = await aStranger().post('/sign-in', { form: { key: 'dk_wrong' } })
  expect([response.status, response.headers.get('set-cookie')]).toEqual([401, null])
  expect(textOf(await response.text())).toContain('Keys begin with dk_')
})

test('[U5] a one-time link signs in once', async () => {
  const visitor = aStranger()
  const link = visitor.kit.signInLink()
  expect((await visitor.get(`/sign-in?link=${link}`)).headers.get('location')).toBe('/jobs')
  expect((await visitor.get('/jobs')).status).toBe(200)
  const second = await aStranger(visitor.kit).get(`/sign-in?link=${link}`)
  expect(second.status).toBe(401)
  expect(textOf(await second.text())).toContain('used already')
})

test.each([
  ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
  ['a browser that fetches ahead', { 'sec-fetch-site': 'none', 'sec-purpose': 'prefetch' }],
])('[U5] a link followed by %s is not spent until the visitor says so', async (_who, headers) => {
  const visitor = aStranger()
  const link = visitor.kit.signInLink()
  const asked = await visitor.get(`/sign-in?link=${link}`, headers)
  expect([asked.status, asked.headers.get('set-cookie')]).toEqual([200, null])
  expect(await asked.text()).toContain(`name="link" value="${link}"`)
  expect((await visitor.post('/sign-in', { form: { link } })).status).toBe(303)
})

test.each(['//evil.test', '/\\evil.test', 'https://evil.test', 'javascript:alert(1)', '/jobs\r\nx: y', ''])(
  '[U6] sign-in never leads to %j',
  async (next) => {
    const response = await aStranger().post('/sign-in', { form: { key: KEY, next } })
    expect(response.headers.get('location')).toBe('/jobs')
  },
)
