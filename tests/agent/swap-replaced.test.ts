import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { outdated } from '#agent/residency/room.ts'
import { aBox, aHub, anEntry, parse, REPOSITORY } from './kit/pulls.ts'
import { aLane, aResidency, aResident, asNamed, aWant, told } from './kit/residencies.ts'
import { Behaviour } from './kit/swap-engines.ts'
import type { Swapper } from './kit/swapper.ts'
import { aSwapGate, aSwapper } from './kit/swaps.ts'

const unloaded = (swapper: Swapper) =>
  swapper.lines.take('unload', (line) => line.event === 'model.unloaded' && line.why === 'replaced')

describe('[SW13] what was replaced on the disk runs no task', () => {
  const lanes = [aLane(0)]
  const old = { identity: 'old' }
  it.each([
    { state: 'it rests', residents: [aResident('a', old)], result: 'load in 0' },
    {
      state: 'it still loads',
      residents: [aResident('a', { ...old, phase: 'loading' })],
      result: 'load in 0',
    },
    { state: 'it leaves', residents: [aResident('a', { ...old, phase: 'unloading' })], result: 'load in 0' },
    {
      state: 'there is room for one',
      residents: [aResident('a', { ...old, memoryMib: 300 })],
      result: 'load in 0',
    },
    {
      state: 'it is in use and takes the room',
      residents: [aResident('a', { ...old, memoryMib: 300, phase: 'in_use' })],
      result: 'wait for memory',
    },
  ])('$state: $result', ({ residents, result }) => {
    expect(told(aWant('a'), aResidency(residents), lanes)).toBe(result)
  })

  it('it goes when it rests, whatever its keep-alive', () => {
    const residency = aResidency([
      aResident('a', { ...old, keepAliveMs: Number.POSITIVE_INFINITY }),
      aResident('a', { ...old, laneId: 1, phase: 'in_use' }),
      aResident('b'),
      aResident('removed'),
    ])
    const gone = outdated(residency, (modelId) => (modelId === 'removed' ? null : asNamed(modelId)))
    expect(gone.map(({ laneId, modelId }) => [laneId, modelId])).toEqual([
      [0, 'a'],
      [0, 'removed'],
    ])
  })

  it.each(['kept for ever', 'pinned'])(
    '%s: the old one leaves, the new one is loaded and measured',
    async (how) => {
      const swapper = await aSwapper()
      if (how === 'pinned') swapper.pinned.add('a')
      await swapper.model('a', { memory_mib: 120 })
      await swapper.run('a').ended
      expect(swapper.hosts.measuredMib('a')).toBeGreaterThan(110)
      await swapper.model('a', { memory_mib: 10 })
      expect([...swapper.hosts.loadedModels()]).toEqual([])
      expect(swapper.hosts.measuredMib('a')).toBe(null)
      await unloaded(swapper)

      await swapper.run('a').ended
      expect(await swapper.events('a')).toEqual([
        'load',
        'run at 1 with 120 MiB',
        'unload',
        'load',
        'run at 1 with 10 MiB',
      ])
      expect(swapper.hosts.measuredMib('a')).toBeLessThan(110)
    },
  )

  it('in use: its task ends with it, the next one waits for nothing, and then it leaves', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('a', { memory_mib: 30, run_until: gate.path })
    const first = swapper.run('a')
    await first.says('running')
    await swapper.model('a', { memory_mib: 10 })
    expect([...swapper.hosts.loadedModels()]).toEqual([])
    expect(await swapper.hosts.prefetch('a', null)).toMatchObject({ ok: true })
    expect(await swapper.run('a').ended).toMatchObject({ ok: true, loadMs: 0 })
    await gate.open()

    expect((await first.ended).ok).toBe(true)
    await unloaded(swapper)
    expect([...swapper.hosts.loadedModels()]).toEqual(['a'])
    expect((await swapper.events('a')).filter((event) => event.startsWith('run at'))).toEqual([
      'run at 1 with 30 MiB',
      'run at 1 with 10 MiB',
    ])
  })

  it('removed: its memory is free', async () => {
    const swapper = await aSwapper()
    await swapper.model('a')
    await swapper.run('a').ended
    swapper.remove('a')
    await unloaded(swapper)
    expect([...swapper.hosts.loadedModels()]).toEqual([])
  })
})

it('[SW13] a pull of another revision, and a removal, reach the memory', async () => {
  const hub = await aHub()
  const version = (memory_mib: number) => Buffer.from(JSON.stringify(Behaviour.parse({ memory_mib })))
  const entry = (content: Buffer) => anEntry({ 'model.json': content }, { id: 'a', engine: 'swapper' })
  const put = (content: Buffer) => hub.put(REPOSITORY, 'model.json', content)
  put(version(10))
  const box = await aBox(hub, { entries: [entry(version(10))] })
  const swapper = await aSwapper({ models: box.models })
  box.models.onChanged(() => swapper.hosts.settle())
  await box.pull('a')
  expect((await swapper.run('a').ended).ok).toBe(true)

  put(version(20))
  await writeFile(join(box.dataFolder, 'models/catalog/a.yaml'), stringify(entry(version(20))))
  const changed = await box.models.entryOf('a', parse(entry(version(20))))
  await box.models.pull(changed, () => {})
  await unloaded(swapper)
  expect((await swapper.run('a').ended).ok).toBe(true)
  expect(swapper.lines.all.filter(({ event }) => event === 'model.loaded')).toHaveLength(2)

  await box.models.remove('a')
  await unloaded(swapper)
  expect([...swapper.hosts.loadedModels()]).toEqual([])
})
