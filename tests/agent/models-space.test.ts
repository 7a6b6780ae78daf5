import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diskError } from '#agent/models/model-error.ts'
import { DISK_RESERVE_BYTES, planSpace, type SpaceQuestion } from '#agent/models/space.ts'
import {
  aBox,
  aHub,
  anEntry,
  type BoxOptions,
  errorOf,
  modelFiles,
  REPOSITORY,
  weights,
} from './kit/pulls.ts'

const KIB = 1024
const question: SpaceQuestion = {
  needBytes: 100,
  diskFreeBytes: DISK_RESERVE_BYTES + 1_000,
  limitBytes: 300,
  usedBytes: 250,
  promisedBytes: 0,
  candidates: [
    { modelId: 'newest', sizeBytes: 100, lastUsedMs: 3 },
    { modelId: 'oldest', sizeBytes: 30, lastUsedMs: 1 },
    { modelId: 'middle', sizeBytes: 120, lastUsedMs: 2 },
  ],
}

describe('[AM14] what has to go for a download is decided before its start', () => {
  it.each([
    { what: 'it fits', change: { usedBytes: 200 }, plan: { ok: true, evict: [] } },
    {
      what: 'the least recently used, no more than needed',
      change: { needBytes: 70 },
      plan: { ok: true, evict: ['oldest'] },
    },
    { what: 'in their order', change: {}, plan: { ok: true, evict: ['oldest', 'middle'] } },
    { what: 'the budget', change: { needBytes: 301 }, plan: { ok: false, mostBytes: 300 } },
    {
      what: 'no budget: the disk',
      change: { limitBytes: null, needBytes: 1_000 },
      plan: { ok: true, evict: [] },
    },
    {
      what: 'the disk, its reserve kept',
      change: { limitBytes: null, needBytes: 1_251 },
      plan: { ok: false, mostBytes: 1_250 },
    },
    {
      what: 'what others still write',
      change: { limitBytes: null, needBytes: 1_000, promisedBytes: 10 },
      plan: { ok: true, evict: ['oldest'] },
    },
    {
      what: 'a budget that was made smaller',
      change: { limitBytes: 10, candidates: [] },
      plan: { ok: false, mostBytes: 0 },
    },
  ])('$what', ({ change, plan }) => {
    expect(planSpace({ ...question, ...change })).toEqual(plan)
  })
})

const IDS = ['one', 'two', 'three', 'four']

/** Models of 100 KiB each; room for three of them. Each is used at its time. */
async function aFullBox(change: BoxOptions = {}) {
  const hub = await aHub()
  const files = Object.fromEntries(IDS.map((id, seed) => [id, weights(100 * KIB, seed)]))
  for (const [id, content] of Object.entries(files)) hub.put(REPOSITORY, `${id}.onnx`, content)
  let nowMs = 1_000
  const entries = Object.entries(files).map(([id, content]) => anEntry({ [`${id}.onnx`]: content }, { id }))
  const options = { entries, modelsLimitBytes: 310 * KIB, nowMs: () => nowMs++, ...change }
  const box = await aBox(hub, options)
  for (const id of ['one', 'two', 'three']) await box.pull(id)
  return { hub, box, options }
}

const use = (box: Awaited<ReturnType<typeof aBox>>, id: string) => box.models.use(id)[Symbol.dispose]()

describe('[AM15] the least recently used model goes for another one', () => {
  it('also after a restart: times of use are kept', async () => {
    const { hub, box, options } = await aFullBox()
    use(box, 'one')
    await box.models.stop()
    const again = await aBox(hub, { ...options, dataFolder: box.dataFolder })
    await again.pull('four')
    expect(again.announced()).toEqual(['four', 'one', 'three'])
    expect(again.events).toContainEqual({ event: 'model.evicted', model_id: 'two', size_bytes: 100 * KIB })
    expect((await modelFiles(box.dataFolder)).filter((path) => path.includes('two'))).toEqual([])
  })

  it('never one in use', async () => {
    const { box } = await aFullBox()
    using _one = box.models.use('one')
    using _again = box.models.use('one')
    use(box, 'two')
    await box.pull('four')
    expect(box.announced()).toEqual(['four', 'one', 'two'])
  })

  it('never a pinned one, after a restart neither', async () => {
    const { hub, box, options } = await aFullBox()
    await box.models.setPinned('one', true)
    await box.models.stop()
    const again = await aBox(hub, { ...options, dataFolder: box.dataFolder })
    expect(again.models.isPinned('one')).toBe(true)
    await again.pull('four')
    expect(again.announced()).toEqual(['four', 'one', 'three'])
    await again.models.setPinned('one', false)
    await again.pull('two')
    expect(again.announced()).toEqual(['four', 'three', 'two'])
  })

  it('all in use or pinned: an error with the numbers, before a byte is fetched', async () => {
    const { hub, box } = await aFullBox()
    using _one = box.models.use('one')
    using _two = box.models.use('two')
    await box.models.setPinned('three', true)
    const bytes = hub.bytesSent
    const { code, message, retryable } = await box.fails('four')
    expect({ code, retryable }).toEqual({ code: 'disk_full', retryable: true })
    expect(message).toMatch(/^four needs 1 MiB in .*, and at most 1 MiB can be made free/)
    expect(message).toMatch(/models take 1 MiB of the 1 MiB that they may/)
    expect(hub.bytesSent).toBe(bytes)
    expect(box.announced()).toEqual(['one', 'three', 'two'])
  })

  it('two pulls at once do not count on the same room', async () => {
    const { box } = await aFullBox({ modelsLimitBytes: 410 * KIB })
    await box.models.remove('three')
    using _one = box.models.use('one')
    using _two = box.models.use('two')
    await Promise.all([box.pull('three'), box.pull('four')])
    expect(box.announced()).toEqual(['four', 'one', 'three', 'two'])
  })
})

describe('[AM14] the disk', () => {
  it('too full: an error before a byte is fetched', async () => {
    const hub = await aHub()
    const content = weights(100 * KIB)
    hub.put(REPOSITORY, 'one.onnx', content)
    const diskFreeBytes = async () => DISK_RESERVE_BYTES + 99 * KIB
    const box = await aBox(hub, { entries: [anEntry({ 'one.onnx': content }, { id: 'one' })], diskFreeBytes })
    const { code, message } = await box.fails('one')
    expect(code).toBe('disk_full')
    expect(message).toMatch(/the disk has 257 MiB, of which 256 MiB stay free/)
    expect(hub.bytesSent).toBe(0)
  })

  it('full in the middle: the same error', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    expect(diskError(full, '/models')).toMatchObject({ taskError: { code: 'disk_full', retryable: true } })
  })

  it('what a pull may take: what is free, and what is not pinned', async () => {
    const { box } = await aFullBox({ diskFreeBytes: async () => DISK_RESERVE_BYTES + 500 * KIB })
    expect(box.models.freeBytes).toBe(310 * KIB)
    await box.models.setPinned('one', true)
    expect(box.models.freeBytes).toBe(210 * KIB)
  })
})

describe('[AM16] remove', () => {
  it('takes the files and what was fetched; twice is as good as once', async () => {
    const { box } = await aFullBox()
    await box.models.remove('one')
    await box.models.remove('one')
    expect(box.announced()).toEqual(['three', 'two'])
    expect((await modelFiles(box.dataFolder)).filter((path) => path.includes('one'))).toEqual([])
  })

  it('not one in use, pinned, or bundled', async () => {
    const { box } = await aFullBox()
    await box.models.setPinned('two', true)
    const held = box.models.use('one')
    expect(await errorOf(box.models.remove('one'))).toMatchObject({ code: 'model_in_use', retryable: true })
    expect(await errorOf(box.models.remove('two'))).toMatchObject({ code: 'model_pinned', retryable: false })
    held[Symbol.dispose]()
    await box.models.remove('one')
    expect(box.announced()).toEqual(['three', 'two'])
  })

  it('ends a pull that runs', async () => {
    const { hub, box } = await aFullBox()
    await box.models.remove('three')
    hub.faults.push({ kind: 'drop', afterBytes: 10 * KIB, until: new Promise(() => {}) })
    const begun = Promise.withResolvers<void>()
    const pulled = errorOf(
      box.pull('four', ({ progress }) => {
        if ((progress?.bytesDone ?? 0) > 0) begun.resolve()
      }),
    )
    await begun.promise
    await box.models.remove('four')
    expect(await pulled).toMatchObject({ code: 'model_removed' })
    expect((await modelFiles(box.dataFolder)).filter((path) => path.includes('four'))).toEqual([])
  })
})

it('[AM15] pins lie in pins.json of the models folder', async () => {
  const { box } = await aFullBox()
  await box.models.setPinned('two', true)
  await box.models.setPinned('one', true)
  const pins = await readFile(join(box.dataFolder, 'models', 'pins.json'), 'utf8')
  expect(JSON.parse(pins)).toEqual({ pinned: ['one', 'two'] })
})
