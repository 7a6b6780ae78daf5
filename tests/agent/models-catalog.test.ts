import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { readEntry } from '#agent/models/catalog-entry.ts'
import { aFolder } from './kit/agents.ts'
import { aModel } from './kit/models.ts'
import { aBox, aHub, anEntry, errorOf, modelFiles, parse, REPOSITORY, weights } from './kit/pulls.ts'

const MODEL = weights(1_000)
const TINY = anEntry({ 'model.onnx': MODEL })

describe('[AM1] a bad catalog file is one sentence that names the field', () => {
  it.each([
    { text: 'id: [', says: /^this is no YAML: / },
    { text: '- 1', says: /^Invalid input: expected object/ },
    { text: stringify({ ...TINY, langauges: ['en'] }), says: /^langauges: a model entry has no such field/ },
    { text: stringify({ ...TINY, licence: 'MIT' }), says: /^licence: a model entry has no such field/ },
    { text: stringify({ ...TINY, id: 'Tiny EN' }), says: /^id: expected a model id/ },
    {
      text: stringify({ ...TINY, files: [{ path: '../../etc/passwd', sha256: null, size_bytes: null }] }),
      says: /^files\.0\.path: expected a path inside the model folder/,
    },
    {
      text: stringify({ ...TINY, files: [{ path: '/etc/passwd', sha256: null, size_bytes: null }] }),
      says: /^files\.0\.path: expected a relative path/,
    },
    {
      text: stringify({ ...TINY, files: [{ path: 'a', sha256: 'abc', size_bytes: null }] }),
      says: /^files\.0\.sha256: expected 64 hexadecimal digits/,
    },
    {
      text: stringify({ ...TINY, files: [...TINY.files, ...TINY.files] }),
      says: /^files\.1\.path: model\.onnx is there twice/,
    },
    {
      text: stringify({ ...TINY, files: [{ path: 'installed.json', sha256: null, size_bytes: null }] }),
      says: /^files\.0\.path: installed\.json is the agent's own file/,
    },
    {
      text: stringify({ ...TINY, source: { kind: 'hub', repository: 'tiny', revision: null } }),
      says: /^source\.repository: expected owner\/name/,
    },
  ])('$says', ({ text, says }) => {
    const read = readEntry(text)
    expect(read.ok).toBe(false)
    if (!read.ok) expect(read.message).toMatch(says)
  })
})

describe('[AM1] a bad catalog file costs only itself', () => {
  it('one line names file and field; told once, however often the catalog is read', async () => {
    const hub = await aHub()
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    const { dataFolder } = await aBox(hub)
    const path = join(dataFolder, 'models', 'catalog', 'bad.yaml')
    await writeFile(path, stringify({ ...TINY, id: 'bad', langauges: ['en'] }))
    const box = await aBox(hub, { dataFolder, entries: [TINY] })
    await box.pull()
    expect(await box.fails('bad')).toMatchObject({ code: 'model_unknown' })
    expect(box.announced()).toEqual(['tiny-en'])
    expect(box.events).toEqual([
      { event: 'model.unreadable', path, message: 'langauges: a model entry has no such field' },
    ])
  })

  it('a bundled model whose path climbs out of the installation', async () => {
    const rootFolder = await aFolder()
    await aModel(rootFolder)
    const outside = { ...TINY, id: 'outside', source: { kind: 'bundled', path: '../..' } }
    await writeFile(join(rootFolder, 'models', 'outside.yaml'), stringify(outside))
    const box = await aBox([], { rootFolder })
    expect(box.announced()).toEqual(['tiny-en'])
    expect(box.events).toMatchObject([
      { event: 'model.unreadable', message: expect.stringMatching(/^source\.path: expected a path inside/) },
    ])
  })
})

describe('[AM2] the agent knows models of three origins', () => {
  it('the owner may add one while it runs', async () => {
    const hub = await aHub()
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    const box = await aBox(hub)
    expect(await box.fails()).toMatchObject({ code: 'model_unknown' })
    await writeFile(join(box.dataFolder, 'models', 'catalog', 'mine.yaml'), stringify(TINY))
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })

  it('an entry that comes with an order is kept, and outlives a restart', async () => {
    const hub = await aHub()
    const box = await aBox(hub)
    await box.models.entryOf('tiny-en', parse(TINY))
    await box.models.stop()
    const again = await aBox(hub, { dataFolder: box.dataFolder })
    expect(await again.models.entryOf('tiny-en')).toEqual(parse(TINY))
  })

  it('the owner goes before the installation, both before the server', async () => {
    const rootFolder = await aFolder()
    await mkdir(join(rootFolder, 'models'))
    const write = (folder: string, id: string, name: string) =>
      writeFile(join(folder, 'models', `${id}.yaml`), stringify({ ...TINY, id, name }))
    await write(rootFolder, 'both', 'installation')
    await write(rootFolder, 'shipped', 'installation')
    const box = await aBox([], { rootFolder, entries: [{ ...TINY, id: 'both', name: 'owner' }] })
    const ordered = (id: string) => box.models.entryOf(id, parse({ ...TINY, id, name: 'server' }))
    expect((await ordered('both')).name).toBe('owner')
    expect((await ordered('shipped')).name).toBe('installation')
    expect((await ordered('new')).name).toBe('server')
  })

  it('an alias is a name as well', async () => {
    const box = await aBox([], { entries: [{ ...TINY, aliases: ['tiny'] }] })
    expect((await box.models.entryOf('tiny')).id).toBe('tiny-en')
  })

  it('an entry of an order that cannot be is refused, and not kept', async () => {
    const box = await aBox([])
    const twice = parse({ ...TINY, files: [...TINY.files, ...TINY.files] })
    expect(await errorOf(box.models.entryOf('tiny-en', twice))).toMatchObject({
      code: 'model_entry_invalid',
      message: 'The entry of tiny-en: files.1.path: model.onnx is there twice.',
    })
    expect(await errorOf(box.models.entryOf('tiny-en'))).toMatchObject({ code: 'model_unknown' })
  })
})

describe('[AM3] what is not whole is not announced', () => {
  async function pulled() {
    const hub = await aHub()
    hub.put(REPOSITORY, 'model.onnx', MODEL)
    const box = await aBox(hub, { entries: [TINY] })
    await box.pull()
    await box.models.stop()
    return { hub, dataFolder: box.dataFolder, folder: join(box.dataFolder, 'models/scripted-ctc/tiny-en') }
  }

  it.each([
    { what: 'no installed.json', spoil: (folder: string) => rm(join(folder, 'installed.json')) },
    { what: 'half of one', spoil: (folder: string) => writeFile(join(folder, 'installed.json'), '{"mod') },
    { what: 'a file is gone', spoil: (folder: string) => rm(join(folder, 'model.onnx')) },
    { what: 'a file is cut short', spoil: (folder: string) => writeFile(join(folder, 'model.onnx'), 'x') },
  ])('$what; a pull repairs it', async ({ spoil }) => {
    const { hub, dataFolder, folder } = await pulled()
    await spoil(folder)
    const box = await aBox(hub, { dataFolder })
    expect(box.announced()).toEqual([])
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })

  it('a byte that fell over is found before the first load, and a pull repairs it', async () => {
    const { hub, dataFolder, folder } = await pulled()
    await writeFile(join(folder, 'model.onnx'), weights(1_000, 7))
    const box = await aBox(hub, { dataFolder })
    expect(box.announced()).toEqual(['tiny-en'])
    expect(await box.models.resolve('tiny-en')).toMatchObject({
      ok: false,
      error: {
        code: 'model_corrupt',
        message: expect.stringMatching(/^tiny-en: model\.onnx: expected sha256/),
      },
    })
    expect(box.announced()).toEqual([])
    await box.pull()
    expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: true })
  })

  it('another revision than the catalog says by now', async () => {
    const { hub, dataFolder } = await pulled()
    const newer = weights(1_000, 8)
    const entries = [anEntry({ 'model.onnx': newer })]
    const box = await aBox(hub, { dataFolder, entries })
    expect(box.announced()).toEqual([])
    expect(box.events).toMatchObject([{ event: 'model.outdated', model_id: 'tiny-en' }])
    hub.put(REPOSITORY, 'model.onnx', newer)
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })
})

describe('[AM4] what a crash left is cleared away at the start', () => {
  it('removals and imports that were cut short, downloads whose entry is gone; not those of known models', async () => {
    const { dataFolder } = await aBox([], { entries: [TINY] })
    const partials = join(dataFolder, 'models', 'scripted-ctc', '.partial')
    for (const path of ['.trash/x/model.onnx', '.drafts/tiny-en/a', 'gone/parts/a', 'tiny-en/parts/a']) {
      await mkdir(join(partials, path, '..'), { recursive: true })
      await writeFile(join(partials, path), 'x')
    }
    await aBox([], { dataFolder })
    expect(await modelFiles(dataFolder)).toEqual(['scripted-ctc/.partial/tiny-en/parts/a'])
  })

  it('nothing, where a catalog file cannot be read: the download may be its', async () => {
    const { dataFolder } = await aBox([])
    const part = join(dataFolder, 'models/scripted-ctc/.partial/tiny-en/parts/a')
    await mkdir(join(part, '..'), { recursive: true })
    await writeFile(part, 'x')
    await writeFile(join(dataFolder, 'models/catalog/tiny-en.yaml'), 'id: [')
    await aBox([], { dataFolder })
    expect(await modelFiles(dataFolder)).toHaveLength(1)
  })
})
