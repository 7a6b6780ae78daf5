import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { FakeHub, Fault } from '#tests/kit/fake-hub.ts'
import { aBox, aHub, anEntry, modelFiles, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(50_000)

async function aTinyBox(change: (hub: FakeHub) => void = () => {}) {
  const hub = await aHub()
  hub.put(REPOSITORY, 'onnx/model.onnx', MODEL)
  change(hub)
  const box = await aBox(hub, { entries: [anEntry({ 'onnx/model.onnx': MODEL })] })
  return { hub, box }
}

interface Case {
  readonly what: string
  readonly always?: Fault
  readonly code: string
  readonly says: RegExp
  readonly retryable: boolean
}

const CASES: readonly Case[] = [
  {
    what: '401',
    always: { kind: 'status', status: 401, headers: { 'x-error-code': 'GatedRepo' } },
    code: 'hub_gated',
    says: /refuses onnx\/model\.onnx of acme\/tiny \(401 GatedRepo\).*HF_TOKEN or --hub-token-file.*licence is accepted at http:.*\/acme\/tiny/,
    retryable: false,
  },
  {
    what: '403',
    always: { kind: 'status', status: 403 },
    code: 'hub_gated',
    says: /\(403\).*HF_TOKEN/,
    retryable: false,
  },
  {
    what: '404',
    always: { kind: 'status', status: 404 },
    code: 'hub_not_found',
    says: /has no onnx\/model\.onnx in acme\/tiny at revision main \(404\)/,
    retryable: false,
  },
  {
    what: '429 without end',
    always: { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
    code: 'hub_rate_limited',
    says: /429.*wait 7 s/,
    retryable: true,
  },
  {
    what: 'a web page',
    always: { kind: 'html' },
    code: 'hub_not_a_file',
    says: /sent a web page instead of onnx\/model\.onnx of acme\/tiny/,
    retryable: false,
  },
  {
    what: '500 without end',
    always: { kind: 'status', status: 500 },
    code: 'hub_failed',
    says: /answered 500 when asked for onnx\/model\.onnx of acme\/tiny/,
    retryable: true,
  },
]

describe('[AM13] each way in which a hub fails is one clear error, and nothing is half installed', () => {
  it.each(CASES)('$what: $code', async ({ always, code, says, retryable }) => {
    const { box } = await aTinyBox((hub) => {
      hub.always = always ?? null
    })
    const error = await box.fails()
    expect(error).toMatchObject({ code, retryable })
    expect(error.message).toMatch(says)
    expect(box.announced()).toEqual([])
    expect(await modelFiles(box.dataFolder)).toEqual([])
  })

  it('a token without access: says so', async () => {
    const { hub, box } = await aTinyBox((hub) => {
      hub.token = 'another'
    })
    const { dataFolder } = box
    const withToken = await aBox(hub, {
      dataFolder,
      hub: { endpoints: [hub.url], token: 'mine', tokenFile: null },
    })
    expect((await withToken.fails()).message).toMatch(/The token that was given has no access/)
  })

  it('a web page when the file is fetched', async () => {
    const { box } = await aTinyBox((hub) => hub.faults.push({ kind: 'html' }))
    expect(await box.fails()).toMatchObject({ code: 'hub_not_a_file' })
  })

  it('a body that ends too early, again and again', async () => {
    const { hub, box } = await aTinyBox((hub) => {
      for (let times = 0; times < 50; times++) hub.faults.push({ kind: 'short', bytes: 0 })
      hub.faults.unshift({ kind: 'short', bytes: 20_000 })
    })
    const { code, message } = await box.fails()
    expect({ code, message }).toEqual({
      code: 'hub_truncated',
      message: `${hub.url} ended onnx/model.onnx of ${REPOSITORY} after 20000 of 50000 bytes.`,
    })
  })

  it.each([weights(49_999), weights(50_001)])('another size than the catalog says', async (other) => {
    const { box } = await aTinyBox((hub) => hub.put(REPOSITORY, 'onnx/model.onnx', other))
    const { code, message } = await box.fails()
    expect(code).toBe('model_size_mismatch')
    expect(message).toContain(`expected 50000 bytes, it has ${other.length}`)
  })

  it('another digest than the catalog says: known before a byte is fetched', async () => {
    const { hub, box } = await aTinyBox((hub) => hub.put(REPOSITORY, 'onnx/model.onnx', weights(50_000, 9)))
    expect(await box.fails()).toMatchObject({ code: 'model_digest_mismatch' })
    expect(hub.bytesSent).toBe(0)
  })

  it('a hub that cannot be reached', async () => {
    const { hub, box } = await aTinyBox()
    await hub.stop()
    const error = await box.fails()
    expect(error).toMatchObject({ code: 'hub_unreachable', retryable: true })
    expect(error.message).toMatch(/cannot be reached for onnx\/model\.onnx of acme\/tiny: .*ECONNREFUSED/)
  })

  it.skipIf(process.getuid?.() === 0)('a folder that cannot be written', async () => {
    const { box } = await aTinyBox()
    await chmod(join(box.dataFolder, 'models'), 0o500)
    expect(await box.fails()).toMatchObject({ code: 'models_folder_unwritable' })
    await chmod(join(box.dataFolder, 'models'), 0o700)
  })

  it('a file where the folder has to be', async () => {
    const { box } = await aTinyBox()
    await mkdir(join(box.dataFolder, 'models'), { recursive: true })
    await writeFile(join(box.dataFolder, 'models', 'scripted-ctc'), 'mine')
    const { code, message } = await box.fails()
    expect(code).toBe('models_folder_unwritable')
    expect(message).toContain(join(box.dataFolder, 'models'))
  })

  it('redirects without end', async () => {
    const { box } = await aTinyBox((hub) => {
      hub.always = { kind: 'status', status: 302, headers: { location: '/round' } }
    })
    expect(await box.fails()).toMatchObject({ code: 'hub_failed' })
  })

  it('no entry, a bundled one without its files, one that is brought by hand', async () => {
    const hub = await aHub()
    const bundled = anEntry({ 'a.onnx': MODEL }, { id: 'bundled', source: { kind: 'bundled', path: 'x' } })
    const folder = anEntry({ 'a.onnx': MODEL }, { id: 'folder', source: { kind: 'folder' } })
    const box = await aBox(hub, { entries: [bundled, folder] })
    expect(await box.fails('unknown')).toMatchObject({ code: 'model_unknown' })
    expect(await box.fails('bundled')).toMatchObject({ code: 'model_missing' })
    const error = await box.fails('folder')
    expect(error.code).toBe('model_needs_import')
    expect(error.message).toContain('dalston models import folder FOLDER')
  })
})

it('[AM13] 429 once: the Retry-After is the least wait', async () => {
  const { hub, box } = await aTinyBox((hub) =>
    hub.faults.push({ kind: 'status', status: 429, headers: { 'retry-after': '7' } }),
  )
  await box.pull()
  expect(box.waitsMs).toEqual([7_500])
  expect(hub.bytesSent).toBe(MODEL.length)
})

it('[AM13] a hub that asks for an hour is not waited for', async () => {
  const { box } = await aTinyBox((hub) => {
    hub.always = { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }
  })
  expect((await box.fails()).message).toContain('wait 3600 s')
  expect(box.waitsMs).toEqual([])
})
