import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { Digests } from '#agent/models/digests.ts'
import { ModelFolders } from '#agent/models/model-folders.ts'
import { SharedFiles } from '#agent/models/shared-files.ts'
import { ModelStore } from '#agent/models/store.ts'
import { sha256 } from '#tests/kit/fake-hub.ts'
import { aFolder } from './kit/agents.ts'
import { anEntry, parse, weights } from './kit/pulls.ts'

const CONTENT = weights(1_000)
const SUM = sha256(CONTENT)

/** Reads no file before it may. */
class GatedDigests extends Digests {
  readonly asked = Promise.withResolvers<void>()
  readonly gate = Promise.withResolvers<void>()

  override async sha256Of(path: string): Promise<string> {
    this.asked.resolve()
    await this.gate.promise
    return super.sha256Of(path)
  }
}

let folders: ModelFolders
let store: ModelStore
let digests: GatedDigests
let shared: SharedFiles
let fetches: string[]

beforeEach(async () => {
  folders = new ModelFolders(await aFolder())
  store = await ModelStore.open(folders)
  digests = new GatedDigests()
  shared = new SharedFiles(store, digests)
  fetches = []
})

const filesOf = (id: string) => join(folders.partials('scripted-ctc'), id, 'files')
const targetOf = (id: string) => join(filesOf(id), 'model.onnx')

function obtain(id: string, signal = new AbortController().signal): Promise<boolean> {
  return shared.obtain(
    SUM,
    targetOf(id),
    async () => {
      fetches.push(id)
      await mkdir(dirname(targetOf(id)), { recursive: true })
      await writeFile(targetOf(id), CONTENT)
    },
    signal,
  )
}

function install(id: string): Promise<unknown> {
  const { engine, id: model_id } = parse(anEntry({ 'model.onnx': CONTENT }, { id }))
  const files = [{ path: 'model.onnx', sha256: SUM, size_bytes: CONTENT.length }]
  return store.install(filesOf(id), {
    model_id,
    engine,
    revision: 'main',
    installed_at_ms: 0,
    files,
  })
}

describe('[AM7] the network is used once for a file of a digest', () => {
  it('whose model is installed while another one reads it', async () => {
    await obtain('one')
    const second = obtain('two')
    await digests.asked.promise
    await install('one')
    digests.gate.resolve()

    expect(await second).toBe(true)
    expect(fetches).toEqual(['one'])
    expect(await readFile(targetOf('two'))).toEqual(CONTENT)
  })

  it('whose model is installed just before another one asks', async () => {
    digests.gate.resolve()
    await obtain('one')
    const [, isLent] = await Promise.all([install('one'), obtain('two')])
    expect(isLent).toBe(true)
    expect(fetches).toEqual(['one'])
  })

  it('whose model is asked for again before it was installed', async () => {
    digests.gate.resolve()
    await obtain('one')
    expect(await obtain('one')).toBe(true)
    expect(fetches).toEqual(['one'])
  })

  it('but what lies there with another content is lent to nobody', async () => {
    digests.gate.resolve()
    await obtain('one')
    await writeFile(targetOf('one'), 'other')
    expect(await obtain('two')).toBe(false)
    expect(fetches).toEqual(['one', 'two'])
    expect(await readFile(targetOf('two'))).toEqual(CONTENT)
  })
})
