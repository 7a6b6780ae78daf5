import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { stringify } from 'yaml'
import { ModelFolders } from '#agent/models/model-folders.ts'
import { ModelStore } from '#agent/models/store.ts'
import { aBox, aHub, anEntry, errorOf, parse, REPOSITORY, weights } from './kit/pulls.ts'

const OLD = weights(1_000, 1)
const NEW = weights(1_000, 2)
const OTHER = weights(1_000, 3)

async function aBoxWithTiny() {
  const hub = await aHub()
  hub.put(REPOSITORY, 'model.onnx', OLD)
  hub.put(REPOSITORY, 'other.onnx', OTHER)
  const entries = [anEntry({ 'model.onnx': OLD }), anEntry({ 'other.onnx': OTHER }, { id: 'other' })]
  const box = await aBox(hub, { entries })
  await box.pull()
  return { hub, box }
}

const pathIn = (dataFolder: string) => join(dataFolder, 'models/scripted-ctc/tiny-en/model.onnx')

/** The next change of the store waits for its turn until it is released; `atSwitch` comes when its files begin to move. */
function holdBefore(change: 'install' | 'remove', atSwitch: () => void = () => {}) {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { install, remove } = ModelStore.prototype
  const arrive = () => {
    vi.restoreAllMocks()
    reached.resolve()
    return gate.promise
  }
  const watched = (mayMove: () => boolean) => () => {
    const may = mayMove()
    if (may) queueMicrotask(atSwitch)
    return may
  }
  if (change === 'install')
    vi.spyOn(ModelStore.prototype, change).mockImplementation(async function (this: ModelStore, ...asked) {
      await arrive()
      return install.apply(this, asked)
    })
  else
    vi.spyOn(ModelStore.prototype, change).mockImplementation(async function (this: ModelStore, id, mayMove) {
      await arrive()
      return remove.call(this, id, watched(mayMove))
    })
  onTestFinished(() => void vi.restoreAllMocks())
  return { reached: reached.promise, release: gate.resolve }
}

describe('[AM15] a model that came into use stays', () => {
  it('also when its removal was decided before, and waited for its turn', async () => {
    const { box } = await aBoxWithTiny()
    const store = await ModelStore.open(new ModelFolders(box.dataFolder))
    const gate = Promise.withResolvers<void>()
    void store.whileStill(() => gate.promise)
    let isInUse = false
    const removed = store.remove('tiny-en', () => !isInUse)
    isInUse = true
    gate.resolve()

    expect(await removed).toBe(false)
    expect(store.models).toHaveLength(1)
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
  })

  it('decided, then used: its files stay, it is announced again, and who removes it is told', async () => {
    const { box } = await aBoxWithTiny()
    const turn = holdBefore('remove')
    const removed = errorOf(box.models.remove('tiny-en'))
    await turn.reached
    using _use = box.models.use('tiny-en')
    turn.release()

    expect(await removed).toMatchObject({ code: 'model_in_use', retryable: true })
    expect(box.announced()).toEqual(['tiny-en'])
    expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: true })
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
  })

  it('decided, then pinned: the same', async () => {
    const { box } = await aBoxWithTiny()
    const turn = holdBefore('remove')
    const removed = errorOf(box.models.remove('tiny-en'))
    await turn.reached
    await box.models.setPinned('tiny-en', true)
    turn.release()
    expect(await removed).toMatchObject({ code: 'model_pinned' })
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
  })

  it('who resolves it while it goes does not get a folder that is about to go', async () => {
    const { box } = await aBoxWithTiny()
    const late = Promise.withResolvers<Awaited<ReturnType<typeof box.models.resolve>>>()
    const turn = holdBefore('remove', () => {
      box.models.use('tiny-en')
      late.resolve(box.models.resolve('tiny-en'))
    })
    const removed = box.models.remove('tiny-en')
    await turn.reached
    // Another change has the disk looked at meanwhile: there it is still.
    await box.models.setPinned('other', true)
    turn.release()
    await removed
    expect(await late.promise).toMatchObject({ ok: false, error: { code: 'model_missing', retryable: true } })
  })
})

describe('[AM25] a model that is in use is not replaced', () => {
  async function aReplacement() {
    const { hub, box } = await aBoxWithTiny()
    hub.put(REPOSITORY, 'model.onnx', NEW)
    const use = box.models.use('tiny-en')
    expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: true })
    const entry = anEntry({ 'model.onnx': NEW })
    await writeFile(join(box.dataFolder, 'models/catalog/tiny-en.yaml'), stringify(entry))
    const changed = await box.models.entryOf('tiny-en', parse(entry))
    const abort = new AbortController()
    const verifying = Promise.withResolvers<void>()
    const pulled = box.models.pull(
      changed,
      ({ progress }) => {
        if (progress?.state === 'verifying') verifying.resolve()
      },
      abort.signal,
    )
    pulled.catch(() => {})
    await verifying.promise
    // Its switch would be before this one, if it did not wait.
    await box.pull('other')
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
    return { hub, box, use, pulled, abort }
  }

  it('before its last task ended', async () => {
    const { box, use, pulled } = await aReplacement()
    const again = box.models.use('tiny-en')
    use[Symbol.dispose]()
    await box.models.rescan()
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
    again[Symbol.dispose]()
    await pulled

    expect(await readFile(pathIn(box.dataFolder))).toEqual(NEW)
    expect(await box.models.resolve('tiny-en')).toMatchObject({ ok: true })
  })

  it('and the order that waits for it can be cancelled: what was fetched stays', async () => {
    const { hub, box, use, pulled, abort } = await aReplacement()
    const { bytesSent } = hub
    abort.abort(new Error('enough'))
    await expect(pulled).rejects.toThrow('enough')
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
    use[Symbol.dispose]()
    await box.pull()
    expect(await readFile(pathIn(box.dataFolder))).toEqual(NEW)
    expect(hub.bytesSent).toBe(bytesSent)
  })

  it('also when it came into use while the switch waited: the pull waits again', async () => {
    const { box, use, pulled } = await aReplacement()
    const turn = holdBefore('install')
    use[Symbol.dispose]()
    await turn.reached
    const again = box.models.use('tiny-en')
    turn.release()
    await box.pull('other')
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
    again[Symbol.dispose]()
    await pulled
    expect(await readFile(pathIn(box.dataFolder))).toEqual(NEW)
  })

  it('what says so in the moment of the switch counts', async () => {
    const { box } = await aBoxWithTiny()
    const store = await ModelStore.open(new ModelFolders(box.dataFolder))
    const [stored] = store.models
    if (stored === undefined) throw new Error('expected a model')
    const gate = Promise.withResolvers<void>()
    void store.whileStill(() => gate.promise)
    let isInUse = false
    const folder = new ModelFolders(box.dataFolder).draft(parse(anEntry({ 'model.onnx': NEW })))
    const installed = store.install(folder, stored.installed, () => !isInUse)
    isInUse = true
    gate.resolve()

    expect(await installed).toBe(null)
    expect(await readFile(pathIn(box.dataFolder))).toEqual(OLD)
  })
})
