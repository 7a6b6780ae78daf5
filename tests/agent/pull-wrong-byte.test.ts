import { readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aBox, aHub, anEntry, type Box, modelFiles, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(100_000)
const REST = weights(1_000, 2)
const NOT_FOUND = { kind: 'status', status: 404 } as const

/** Its first file is whole on the disk, its second one still comes. `known`: the catalog has digests. */
async function aHalfPulled(known: boolean) {
  const hub = await aHub()
  hub.put(REPOSITORY, 'model.onnx', MODEL, known)
  hub.put(REPOSITORY, 'rest.onnx', REST, known)
  const gate = Promise.withResolvers<void>()
  hub.faultOf.set(`${REPOSITORY}/rest.onnx`, { kind: 'wait', until: gate.promise })
  const entry = anEntry({ 'model.onnx': known ? MODEL : null, 'rest.onnx': known ? REST : null })
  const box = await aBox(hub, { entries: [entry] })
  const failed = box.fails()
  const path = join(box.dataFolder, 'models/scripted-ctc/.partial/tiny-en/files/model.onnx')
  await expect.poll(() => readFile(path).catch(() => null)).toEqual(MODEL)
  return { hub, box, path, failed, release: gate.resolve }
}

/** The same after its agent ended. */
async function aBrokenOff(known: boolean) {
  const { hub, box, path, failed, release } = await aHalfPulled(known)
  await box.models.stop()
  expect(await failed).toMatchObject({ code: 'agent_ended' })
  release()
  return { hub, dataFolder: box.dataFolder, path }
}

/** As a disk does it: size and time stay. */
async function flipByte(path: string): Promise<void> {
  const { atime, mtime } = await stat(path)
  const bytes = await readFile(path)
  bytes[10] = (bytes[10] ?? 0) ^ 1
  await writeFile(path, bytes)
  await utimes(path, atime, mtime)
}

const installedIn = ({ dataFolder }: Pick<Box, 'dataFolder'>) =>
  readFile(join(dataFolder, 'models/scripted-ctc/tiny-en/model.onnx'))

describe.each([true, false])('[AM10] a file that was whole, digests known: %s', (known) => {
  it('is not fetched again', async () => {
    const { hub, dataFolder } = await aBrokenOff(known)
    const again = await aBox(hub, { dataFolder })
    await again.pull()
    expect(hub.downloads.filter(({ path }) => path.endsWith('/model.onnx'))).toHaveLength(1)
    expect(await installedIn(again)).toEqual(MODEL)
  })

  it('with a wrong byte is removed and fetched again', async () => {
    const { hub, dataFolder, path } = await aBrokenOff(known)
    await flipByte(path)
    const again = await aBox(hub, { dataFolder })
    await again.pull()
    expect(await installedIn(again)).toEqual(MODEL)
    expect(await again.models.resolve('tiny-en')).toMatchObject({ ok: true })
  })

  it('with a wrong byte, and a hub that no longer has it: removed, never loaded', async () => {
    const { hub, dataFolder, path } = await aBrokenOff(known)
    await flipByte(path)
    hub.faultOf.set(`${REPOSITORY}/model.onnx`, NOT_FOUND)
    const again = await aBox(hub, { dataFolder })
    expect(await again.fails()).toMatchObject({ code: 'hub_not_found' })
    expect(again.announced()).toEqual([])
    expect(await again.models.resolve('tiny-en')).toMatchObject({ ok: false })
    const left = await modelFiles(dataFolder)
    expect(left.filter((file) => file.endsWith('files/model.onnx'))).toEqual([])
  })
})

it('[AM12] a file that became another one while the rest came is removed, not installed', async () => {
  const { box, path, failed, release } = await aHalfPulled(true)
  await writeFile(path, weights(MODEL.length, 3))
  release()

  expect(await failed).toMatchObject({ code: 'model_digest_mismatch', retryable: true })
  expect(box.announced()).toEqual([])
  await box.pull()
  expect(await installedIn(box)).toEqual(MODEL)
})
