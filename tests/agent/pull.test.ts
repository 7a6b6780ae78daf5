import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sha256 } from '#tests/kit/fake-hub.ts'
import { aBox, aHub, anEntry, modelFiles, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(200_000)
const CONFIG = Buffer.from('{"sample_rate":16000}')

async function aHubWithTiny() {
  const hub = await aHub()
  hub.put(REPOSITORY, 'onnx/model.onnx', MODEL)
  hub.put(REPOSITORY, 'config.json', CONFIG, false)
  return hub
}

it('[AM5] a pulled model is announced, its files proven, in one folder of its engine', async () => {
  const hub = await aHubWithTiny()
  const entry = anEntry({ 'onnx/model.onnx': MODEL, 'config.json': CONFIG })
  const box = await aBox(hub, { entries: [entry] })
  expect(box.announced()).toEqual([])
  await box.pull()

  expect(box.announced()).toEqual(['tiny-en'])
  const resolved = await box.models.resolve('tiny-en')
  const folder = join(box.dataFolder, 'models', 'scripted-ctc', 'tiny-en')
  expect(resolved).toMatchObject({ ok: true, model: { folder } })
  expect(await readFile(join(folder, 'onnx', 'model.onnx'))).toEqual(MODEL)
  expect(await modelFiles(box.dataFolder)).toEqual([
    'scripted-ctc/tiny-en/config.json',
    'scripted-ctc/tiny-en/installed.json',
    'scripted-ctc/tiny-en/onnx/model.onnx',
  ])
  expect(hub.bytesSent).toBe(MODEL.length + CONFIG.length)
})

it('[AM5] it is here after a restart, and a second pull asks the hub nothing', async () => {
  const hub = await aHubWithTiny()
  const first = await aBox(hub, { entries: [anEntry({ 'onnx/model.onnx': MODEL })] })
  await first.pull()
  await first.models.stop()
  const asked = hub.requests.length
  const second = await aBox(hub, { dataFolder: first.dataFolder })

  expect(second.announced()).toEqual(['tiny-en'])
  await second.pull()
  expect(hub.requests.length).toBe(asked)
})

it('[AM6] what the catalog does not know is recorded: commit, sizes, digests', async () => {
  const hub = await aHubWithTiny()
  const box = await aBox(hub, { entries: [anEntry({ 'onnx/model.onnx': null, 'config.json': null })] })
  await box.pull()

  const installed = JSON.parse(
    await readFile(join(box.dataFolder, 'models/scripted-ctc/tiny-en/installed.json'), 'utf8'),
  )
  expect(installed).toMatchObject({
    model_id: 'tiny-en',
    revision: hub.commit,
    files: [
      { path: 'onnx/model.onnx', size_bytes: MODEL.length, sha256: sha256(MODEL) },
      { path: 'config.json', size_bytes: CONFIG.length, sha256: sha256(CONFIG) },
    ],
  })
  // The first file says of which commit all are.
  expect(new Set(hub.downloads.map(({ path }) => path.split('/')[4]))).toEqual(new Set([hub.commit]))
})

it('[AM6] a recorded digest is what the file is held to from then on', async () => {
  const hub = await aHubWithTiny()
  const box = await aBox(hub, { entries: [anEntry({ 'config.json': null })] })
  await box.pull()
  const path = join(box.dataFolder, 'models/scripted-ctc/tiny-en/config.json')
  const { writeFile, utimes } = await import('node:fs/promises')
  await writeFile(path, Buffer.from('{"sample_rate":16001}'))
  await utimes(path, 1, 1)

  expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: false, error: { code: 'model_corrupt' } })
  expect(box.announced()).toEqual([])
  await box.pull()
  expect(box.announced()).toEqual(['tiny-en'])
  expect(await readFile(path)).toEqual(CONFIG)
})

it('[AM7] two pulls of one model use the network once', async () => {
  const hub = await aHubWithTiny()
  const box = await aBox(hub, { entries: [anEntry({ 'onnx/model.onnx': MODEL, 'config.json': CONFIG })] })
  await Promise.all([box.pull(), box.pull(), box.pull()])
  expect(hub.bytesSent).toBe(MODEL.length + CONFIG.length)
  expect(hub.downloads).toHaveLength(2)
})

it('[AM7] a file that two models share is fetched once, at the same time and later', async () => {
  const hub = await aHubWithTiny()
  const entries = ['one', 'two', 'three'].map((id) => anEntry({ 'onnx/model.onnx': MODEL }, { id }))
  const box = await aBox(hub, { entries })
  await Promise.all([box.pull('one'), box.pull('two')])
  await box.pull('three')

  expect(hub.bytesSent).toBe(MODEL.length)
  expect(box.announced()).toEqual(['one', 'three', 'two'])
  await box.models.remove('one')
  expect(await box.models.resolve('two')).toMatchObject({ ok: true })
})

it('[AM8] the token goes to the hub alone, and never into the log', async () => {
  const hub = await aHubWithTiny()
  hub.token = 'hf_secret'
  hub.storage = await aHub()
  const box = await aBox(hub, {
    entries: [anEntry({ 'onnx/model.onnx': MODEL })],
    hub: { endpoints: [hub.url], token: 'hf_secret', tokenFile: null },
  })
  await box.pull()

  expect(hub.requests.every(({ authorization }) => authorization === 'Bearer hf_secret')).toBe(true)
  expect(hub.storage.requests.map(({ authorization }) => authorization)).toEqual([null])
  expect(hub.storage.bytesSent).toBe(MODEL.length)
  expect(JSON.stringify(box.events)).not.toContain('hf_secret')
})

it('[AM8] a token file is read anew for each request', async () => {
  const hub = await aHubWithTiny()
  hub.token = 'hf_new'
  const { dataFolder } = await aBox(hub)
  const tokenFile = join(dataFolder, 'token')
  const { writeFile } = await import('node:fs/promises')
  const box = await aBox(hub, {
    dataFolder,
    entries: [anEntry({ 'onnx/model.onnx': MODEL })],
    hub: { endpoints: [hub.url], token: 'hf_old', tokenFile },
  })
  expect(await box.fails()).toMatchObject({ code: 'hub_token_unreadable' })
  await writeFile(tokenFile, 'hf_new\n')
  await box.pull()
  expect(box.announced()).toEqual(['tiny-en'])
})

it('[AM9] mirrors are tried in order', async () => {
  const hub = await aHub()
  const mirror = await aHubWithTiny()
  const gone = await aHub()
  await gone.stop()
  const box = await aBox([gone.url, hub.url, mirror.url], {
    entries: [anEntry({ 'onnx/model.onnx': MODEL })],
  })
  await box.pull()
  expect(box.announced()).toEqual(['tiny-en'])
  expect(hub.requests.length).toBeGreaterThan(0)

  mirror.files.clear()
  await box.models.remove('tiny-en')
  const { code, message } = await box.fails()
  expect(code).toBe('hub_not_found')
  for (const { url } of [gone, hub, mirror]) expect(message).toContain(url)
})

it('[AM5] nothing of a pull is in the way of who reads the folder meanwhile', async () => {
  const hub = await aHubWithTiny()
  const gate = Promise.withResolvers<void>()
  const box = await aBox(hub, { entries: [anEntry({ 'onnx/model.onnx': MODEL })] })
  hub.faults.push({ kind: 'drop', afterBytes: 100_000, until: gate.promise })
  const half = Promise.withResolvers<void>()
  const pulled = box.pull('tiny-en', ({ progress }) => {
    if ((progress?.bytesDone ?? 0) >= 100_000) half.resolve()
  })
  await half.promise
  expect(box.announced()).toEqual([])
  await expect(stat(join(box.dataFolder, 'models/scripted-ctc/tiny-en'))).rejects.toThrow('ENOENT')
  gate.resolve()
  await pulled
})
