import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bytesIn } from '#agent/models/disk-space.ts'
import { DISK_RESERVE_BYTES } from '#agent/models/space.ts'
import { aBox, aHub, anEntry, type BoxOptions, modelFiles, REPOSITORY, weights } from './kit/pulls.ts'

const MIB = 1024 ** 2
const MODEL = weights(4 * MIB)
const SMALL = weights(MIB, 2)

/** Nobody knows how large the model is: the catalog does not, and the hub says it so soon. */
async function aVagueBox(tellsSizes: 'with_the_file' | 'never', change: BoxOptions = {}) {
  const hub = await aHub()
  hub.tellsSizes = tellsSizes
  hub.put(REPOSITORY, 'model.onnx', MODEL, false)
  hub.put(REPOSITORY, 'small.onnx', SMALL)
  const entries = [anEntry({ 'model.onnx': null }), anEntry({ 'small.onnx': SMALL }, { id: 'small' })]
  return { hub, box: await aBox(hub, { entries, ...change }) }
}

describe.each(['with_the_file', 'never'] as const)('[AM26] a hub that tells sizes %s', (tellsSizes) => {
  it('and room enough: it comes', async () => {
    const { box } = await aVagueBox(tellsSizes, { modelsLimitBytes: 5 * MIB })
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })

  it.each([
    {
      what: 'the disk',
      change: {
        diskFreeBytes: async (folder: string) => DISK_RESERVE_BYTES + 2 * MIB - (await bytesIn(folder)),
      },
    },
    { what: 'the budget', change: { modelsLimitBytes: 2 * MIB } },
  ])('$what too small: disk_full with the numbers, and nothing is installed', async ({ change }) => {
    const { box } = await aVagueBox(tellsSizes, change)
    const { code, message, retryable } = await box.fails()
    expect({ code, retryable }).toEqual({ code: 'disk_full', retryable: true })
    expect(message).toMatch(/^tiny-en needs [14] MiB in .*, and at most [0-2] MiB can be made free/)
    expect(box.announced()).toEqual([])
    const part = (await modelFiles(box.dataFolder)).filter((path) => path.includes('/parts/'))
    const sizes = await Promise.all(part.map((path) => stat(join(box.dataFolder, 'models', path))))
    const bytes = sizes.reduce((sum, { size }) => sum + size, 0)
    expect(bytes).toBeLessThan(tellsSizes === 'never' ? 2.1 * MIB : 1_000)
    expect((await modelFiles(box.dataFolder)).filter((path) => path.endsWith('installed.json'))).toEqual([])
  })

  it('what is not used goes for it, as for another', async () => {
    const { box } = await aVagueBox(tellsSizes, { modelsLimitBytes: 4.5 * MIB })
    await box.pull('small')
    await box.pull()
    expect(box.announced()).toEqual(['tiny-en'])
  })
})

it('[AM26] what is known of the other files is there before a byte is fetched', async () => {
  const { hub, box } = await aVagueBox('with_the_file', {
    modelsLimitBytes: MIB / 2,
    entries: [anEntry({ 'model.onnx': null, 'small.onnx': SMALL })],
  })
  expect(await box.fails()).toMatchObject({ code: 'disk_full' })
  expect(hub.bytesSent).toBe(0)
})

it('[AM14] what a pull may take counts no model that is in use, and the server hears of it', async () => {
  const { box } = await aVagueBox('never', { modelsLimitBytes: 10 * MIB, usesToldAfterMs: 0 })
  await box.pull('small')
  expect(box.models.freeBytes).toBe(10 * MIB)
  const told = Promise.withResolvers<number | null>()
  box.models.onChanged(() => told.resolve(box.models.freeBytes))
  const first = box.models.use('small')
  const second = box.models.use('small')
  expect(box.models.freeBytes).toBe(9 * MIB)
  expect(await told.promise).toBe(9 * MIB)

  const again = Promise.withResolvers<number | null>()
  box.models.onChanged(() => again.resolve(box.models.freeBytes))
  first[Symbol.dispose]()
  expect(box.models.freeBytes).toBe(9 * MIB)
  second[Symbol.dispose]()
  expect(await again.promise).toBe(10 * MIB)
})
