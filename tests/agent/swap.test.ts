import { describe, expect, it } from 'vitest'
import { lives } from './kit/agents.ts'
import { aSwapGate, aSwapper } from './kit/swaps.ts'

describe('[SW1] models of one engine share its child', () => {
  it('two are loaded once each, and run one after the other', async () => {
    const swapper = await aSwapper()
    await swapper.model('a')
    await swapper.model('b')
    for (const id of ['a', 'b', 'a', 'b']) expect((await swapper.run(id).ended).ok).toBe(true)

    expect(await swapper.events('a')).toEqual(['load', 'run at 1 with 0 MiB', 'run at 1 with 0 MiB'])
    expect([...swapper.hosts.loadedModels()].sort()).toEqual(['a', 'b'])
    expect(swapper.pids).toHaveLength(1)
  })

  it('two tasks of one model have a child each, and it is in both', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('a', { run_until: gate.path })
    const tasks = [swapper.run('a'), swapper.run('a')]
    for (const task of tasks) await task.says('running')
    await gate.open()
    for (const task of tasks) expect((await task.ended).ok).toBe(true)

    expect(swapper.pids).toHaveLength(2)
    expect(swapper.inUse).toEqual([])
  })
})

describe('[SW2] per-model locks', () => {
  it('a task waits for the load that a prefetch began, and uses it', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('a', { load_until: gate.path })
    const prefetched = swapper.hosts.prefetch('a', null)
    const task = swapper.run('a')
    await task.says('loading the model a')
    await gate.open()

    expect(await prefetched).toMatchObject({ ok: true })
    expect(await task.ended).toMatchObject({ ok: true })
    expect(await swapper.events('a')).toEqual(['load', 'run at 1 with 0 MiB'])
  })

  it('two tasks and memory for one: one load', async () => {
    const swapper = await aSwapper({ memoryMib: 150 })
    const gate = await aSwapGate()
    await swapper.model('a', { load_until: gate.path, memory_mib: 100 })
    const tasks = [swapper.run('a'), swapper.run('a')]
    for (const task of tasks) await task.says('loading the model a')
    await gate.open()
    for (const task of tasks) expect((await task.ended).ok).toBe(true)

    expect((await swapper.events('a')).filter((event) => event === 'load')).toHaveLength(1)
  })

  it('a load of one model holds up no task of another', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('slow', { load_until: gate.path })
    await swapper.model('quick')
    const slow = swapper.run('slow')
    await slow.says('loading the model slow')

    expect((await swapper.run('quick').ended).ok).toBe(true)
    await gate.open()
    expect((await slow.ended).ok).toBe(true)
  })
})

describe('[SW3] room', () => {
  it('the longest unused leaves before the new one comes, and the swap is measured', async () => {
    const swapper = await aSwapper({ memoryMib: 250 })
    for (const id of ['a', 'b', 'c']) await swapper.model(id, { memory_mib: 100 })
    for (const id of ['a', 'b', 'a', 'c']) await swapper.run(id).ended

    expect([...swapper.hosts.loadedModels()].sort()).toEqual(['a', 'c'])
    expect(await swapper.events('b')).toEqual(['load', 'run at 1 with 100 MiB', 'unload'])
  })

  it('a task waits while what is in use takes the memory', async () => {
    const swapper = await aSwapper({ memoryMib: 150 })
    const gate = await aSwapGate()
    await swapper.model('a', { run_until: gate.path, memory_mib: 100 })
    await swapper.model('b')
    const first = swapper.run('a')
    await first.says('running')
    const second = swapper.run('b')
    await second.says('waiting for memory')
    expect(await swapper.events('b')).toEqual([])
    await gate.open()

    expect((await first.ended).ok).toBe(true)
    expect(await second.ended).toMatchObject({ ok: true })
    expect([...swapper.hosts.loadedModels()]).toEqual(expect.arrayContaining(['b']))
  })

  it('what takes more than the whole budget is refused', async () => {
    const swapper = await aSwapper({ memoryMib: 150 })
    await swapper.model('a', { needs_mib: 151 })

    expect(await swapper.run('a').ended).toMatchObject({ ok: false, error: { code: 'model_too_large' } })
    expect(swapper.pids).toEqual([])
  })

  it('what nobody measured takes as much as its files', async () => {
    const swapper = await aSwapper({ memoryMib: 0 })
    await swapper.model('a', { needs_mib: null })

    expect(await swapper.run('a').ended).toMatchObject({
      error: { code: 'model_too_large', message: expect.stringContaining('takes 1 MiB') },
    })
  })

  it('a pinned model leaves when nothing else is left, not before', async () => {
    const swapper = await aSwapper({ memoryMib: 250 })
    for (const id of ['a', 'b', 'c']) await swapper.model(id, { memory_mib: 100 })
    await swapper.model('large', { memory_mib: 200, needs_mib: 220 })
    swapper.pinned.add('a')
    for (const id of ['a', 'b', 'c']) await swapper.run(id).ended
    expect([...swapper.hosts.loadedModels()].sort()).toEqual(['a', 'c'])

    await swapper.run('large').ended
    expect([...swapper.hosts.loadedModels()]).toEqual(['large'])
  })
})

describe('[SW4] keep-alive', () => {
  it('0: the memory is free within 5 s of the task, and the server hears of it', async () => {
    const swapper = await aSwapper({ keepAliveSeconds: 0 })
    await swapper.model('a', { memory_mib: 100 })
    await swapper.run('a').ended
    const startMs = performance.now()
    const unloaded = await swapper.lines.take('unload', (line) => line.event === 'model.unloaded')

    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(swapper.hosts.measuredMib('a')).toBeGreaterThan(90)
    expect(Number(unloaded.rss_mib)).toBeLessThan(Number(unloaded.empty_mib) + 50)
    expect(swapper.loaded).toEqual([['a'], []])
  })

  it('a pinned model stays, and goes when it is unpinned', async () => {
    const swapper = await aSwapper({ keepAliveSeconds: 0 })
    await swapper.model('a')
    swapper.pinned.add('a')
    await swapper.run('a').ended
    expect([...swapper.hosts.loadedModels()]).toEqual(['a'])
    swapper.pinned.clear()
    swapper.hosts.settle()

    await swapper.lines.take('unload', (line) => line.event === 'model.unloaded')
    expect([...swapper.hosts.loadedModels()]).toEqual([])
  })
})

describe('[SW5] prefetch', () => {
  it('the model is there when its task comes, and survives a keep-alive of 0 until then', async () => {
    const swapper = await aSwapper({ keepAliveSeconds: 0 })
    await swapper.model('a')
    expect(await swapper.hosts.prefetch('a', null)).toMatchObject({ ok: true })
    expect([...swapper.hosts.loadedModels()]).toEqual(['a'])
    const task = swapper.run('a')

    expect(await task.ended).toMatchObject({ ok: true, loadMs: 0, swapMs: 0 })
    expect(task.said()).toEqual(['running'])
  })

  it('an order’s own keep-alive counts', async () => {
    const swapper = await aSwapper()
    await swapper.model('a')
    await swapper.hosts.prefetch('a', 0)
    await swapper.lines.take('unload', (line) => line.event === 'model.unloaded')
  })

  it.each([
    { what: 'what is not here', id: 'unknown', code: 'model_missing' },
    { what: 'what never fits', id: 'huge', code: 'model_too_large' },
    { what: 'what would push out what is in use', id: 'large', code: 'memory_in_use' },
    { what: 'what is no model', id: 'broken', code: 'invalid_model' },
  ])('$what: $code, and nothing else happens', async ({ id, code }) => {
    const swapper = await aSwapper({ memoryMib: 250 })
    const gate = await aSwapGate()
    await swapper.model('busy', { run_until: gate.path, memory_mib: 100 })
    await swapper.model('huge', { needs_mib: 300 })
    await swapper.model('large', { needs_mib: 200 })
    await swapper.model('broken', { load: 'invalid' })
    const task = swapper.run('busy')
    await task.says('running')

    expect(await swapper.hosts.prefetch(id, null)).toMatchObject({ ok: false, error: { code } })
    await gate.open()
    expect((await task.ended).ok).toBe(true)
  })
})

describe('[SW7] a load is measured', () => {
  it('what it took replaces the guess, for room as well', async () => {
    const swapper = await aSwapper({ memoryMib: 320 })
    await swapper.model('a', { memory_mib: 200, needs_mib: 10 })
    await swapper.model('b', { memory_mib: 200, needs_mib: 10 })
    expect(swapper.hosts.measuredMib('a')).toBe(null)
    await swapper.run('a').ended
    expect(swapper.hosts.measuredMib('a')).toBeGreaterThan(190)

    // It is loaded beside the other on its guess; measured, both are too much, and the longer unused leaves.
    await swapper.run('b').ended
    await swapper.lines.take('unload', (line) => line.model_id === 'a' && line.event === 'model.unloaded')
    expect([...swapper.hosts.loadedModels()]).toEqual(['b'])
  })
})

describe('[SW8] a release is real', () => {
  it('a child that keeps what its models took is replaced while it is idle', async () => {
    const swapper = await aSwapper({ keepAliveSeconds: 0 })
    await swapper.model('leaky', { memory_mib: 50, leak_mib: 200 })
    await swapper.run('leaky').ended
    await swapper.lines.take('end', (line) => line.event === 'engine.exited')
    await swapper.lines.take('start', (line) => line.event === 'engine.started')
    await expect.poll(() => swapper.pids.map(lives), { timeout: 10_000 }).toEqual([false, true])

    expect((await swapper.run('leaky').ended).ok).toBe(true)
  })

  it('one that holds another model stays', async () => {
    const swapper = await aSwapper({ memoryMib: 250 })
    for (const id of ['a', 'b', 'c']) await swapper.model(id, { memory_mib: 100, leak_mib: 200 })
    for (const id of ['a', 'b', 'c']) await swapper.run(id).ended
    expect(swapper.pids).toHaveLength(1)
  })
})
