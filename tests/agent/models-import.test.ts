import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { importFolder } from '#agent/models/import.ts'
import { withLock } from '#agent/models/lock.ts'
import { ModelFolders } from '#agent/models/model-folders.ts'
import { aFolder } from './kit/agents.ts'
import {
  aBox,
  aHub,
  anEntry,
  type Entry,
  errorOf,
  modelFiles,
  parse,
  REPOSITORY,
  weights,
} from './kit/pulls.ts'

const MODEL = weights(10_000)

async function aCase(change: Partial<Entry> = {}, known: Buffer | null = MODEL) {
  const entry = anEntry({ 'onnx/model.onnx': known }, { source: { kind: 'folder' }, ...change })
  const box = await aBox([], { entries: [entry] })
  const folder = await aFolder()
  await mkdir(join(folder, 'onnx'))
  await writeFile(join(folder, 'onnx', 'model.onnx'), MODEL)
  const order = { rootFolder: box.dataFolder, dataFolder: box.dataFolder, model: 'tiny-en', folder, nowMs: 1 }
  return { box, folder, order, entry: parse(entry) }
}

describe('[AM17] a model is brought from a folder', () => {
  it('a running agent announces it at once', async () => {
    const { box, order } = await aCase()
    const changed = new Promise<void>((resolve) => box.models.onChanged(resolve))
    await importFolder(order)
    await changed
    expect(box.announced()).toEqual(['tiny-en'])
    expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: true })
    expect((await modelFiles(box.dataFolder)).filter((path) => path !== 'changed')).toEqual([
      'scripted-ctc/tiny-en/installed.json',
      'scripted-ctc/tiny-en/onnx/model.onnx',
    ])
  })

  it('a pull finds it, even when nothing was watched', async () => {
    const { box, order } = await aCase()
    expect(await box.fails()).toMatchObject({ code: 'model_needs_import' })
    await importFolder(order)
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })

  it('a model of a hub as well, by its paths there, through the links of a cache, by its alias', async () => {
    const { box, folder, order } = await aCase({
      source: { kind: 'hub', repository: REPOSITORY, revision: null },
      aliases: ['tiny'],
      files: [{ path: 'model.onnx', source_path: 'linked/model.onnx', sha256: null, size_bytes: null }],
    })
    await mkdir(join(folder, 'linked'))
    await symlink(join(folder, 'onnx', 'model.onnx'), join(folder, 'linked', 'model.onnx'))
    await importFolder({ ...order, model: 'tiny' })
    const installed = join(box.dataFolder, 'models/scripted-ctc/tiny-en')
    expect(await readFile(join(installed, 'model.onnx'))).toEqual(MODEL)
    expect(JSON.parse(await readFile(join(installed, 'installed.json'), 'utf8'))).toMatchObject({
      revision: null,
      files: [{ path: 'model.onnx', size_bytes: MODEL.length }],
    })
  })

  it.each([
    {
      what: 'a file that is not there',
      known: null,
      path: 'missing',
      code: 'model_missing',
      says: 'has no file missing',
    },
    {
      what: 'a wrong size',
      known: weights(9_999),
      code: 'model_size_mismatch',
      says: 'expected 9999 bytes, it has 10000',
    },
    {
      what: 'a wrong byte',
      known: weights(10_000, 2),
      code: 'model_digest_mismatch',
      says: 'expected sha256',
    },
  ])('$what: $code, and nothing is left', async ({ known, path, code, says }) => {
    const change = path === undefined ? {} : { files: [{ path, sha256: null, size_bytes: null }] }
    const { box, order } = await aCase(change, known)
    const error = await errorOf(importFolder(order))
    expect(error.code).toBe(code)
    expect(error.message).toContain(says)
    expect(await modelFiles(box.dataFolder)).toEqual([])
  })

  it('no such model, and one that ships with the installation', async () => {
    const { order } = await aCase()
    expect(await errorOf(importFolder({ ...order, model: 'other' }))).toMatchObject({ code: 'model_unknown' })
    const bundled = await aCase({ source: { kind: 'bundled', path: 'x' } })
    expect(await errorOf(importFolder(bundled.order))).toMatchObject({ code: 'model_bundled' })
  })
})

it('[AM17] as a process: a sentence, and 0 or 1', async () => {
  const { box, folder } = await aCase()
  const main = fileURLToPath(import.meta.resolve('#agent/import-main.ts'))
  const run = (id: string) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, box.dataFolder, id, folder])
    return { status, said: `${stdout}${stderr}` }
  }
  expect(run('tiny-en')).toEqual({ status: 0, said: 'tiny-en\n' })
  expect(run('other')).toEqual({
    status: 1,
    said: 'dalston: No catalog of this machine knows a model other.\n',
  })
  await box.pull()
  expect(box.announced()).toEqual(['tiny-en'])
})

describe('[AM18] one writer of a model among the processes of a machine', () => {
  it('while an import runs a pull fails, and the other way round', async () => {
    const hub = await aHub()
    hub.put(REPOSITORY, 'onnx/model.onnx', MODEL)
    const { box, order, entry } = await aCase({
      source: { kind: 'hub', repository: REPOSITORY, revision: null },
    })
    const { dataFolder } = box
    const agent = await aBox(hub, { dataFolder })
    const lock = new ModelFolders(dataFolder).lock(entry)
    await withLock(lock, 'tiny-en', async () => {
      expect(await agent.fails()).toMatchObject({ code: 'model_busy', retryable: true })
      expect(await errorOf(importFolder(order))).toMatchObject({ code: 'model_busy' })
    })
    await agent.pull()
  })

  it('the lock of another process that lives counts, that of one that is gone does not', async () => {
    const lock = join(await aFolder(), 'lock')
    await writeFile(lock, String(process.ppid))
    expect(await errorOf(withLock(lock, 'tiny-en', async () => {}))).toMatchObject({
      code: 'model_busy',
      message: `tiny-en is being installed by process ${process.ppid}; try again when it is done.`,
    })
    for (const gone of [2 ** 30, process.pid, 'x']) {
      await writeFile(lock, String(gone))
      expect(await withLock(lock, 'tiny-en', async () => 'mine')).toBe('mine')
    }
  })

  it.runIf(process.platform === 'linux')(
    'nor does that of another process with its pid, or of one that nobody reaped',
    async () => {
      const lock = join(await aFolder(), 'lock')
      // It ends when the shell is a program that reaps nobody, and not before: a shell would reap it.
      const parent = spawn('sh', ['-c', 'exec 3<&0; cat <&3 & echo $!; exec sleep 60'])
      onTestFinished(() => void parent.kill())
      const zombie = String(await once(parent.stdout, 'data')).trim()
      const read = (pid: unknown, name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8')
      await expect.poll(() => read(parent.pid, 'comm'), { timeout: 10_000 }).toBe('sleep\n')
      parent.stdin.end()
      await expect.poll(() => read(zombie, 'stat'), { timeout: 10_000 }).toMatch(/\) Z /)
      for (const gone of [`${process.ppid} earlier`, zombie]) {
        await writeFile(lock, gone)
        expect(await withLock(lock, 'tiny-en', async () => 'mine')).toBe('mine')
      }
    },
  )
})
