import { describe, expect, it } from 'vitest'
import { EngineError } from '#engines/engine.ts'
import { lives } from './kit/agents.ts'
import { aSwapGate, aSwapper } from './kit/swaps.ts'

describe('[SW9] out of memory', () => {
  it('once more without the others, then with half the batch until it fits', async () => {
    const swapper = await aSwapper()
    await swapper.model('other')
    await swapper.run('other').ended
    await swapper.model('a', { largest_batch: 0.25 })
    const task = swapper.run('a')

    expect(await task.ended).toMatchObject({ ok: true })
    expect(await swapper.events('a')).toEqual([
      'load',
      ...[1, 1, 0.5, 0.25].map((scale) => `run at ${scale} with 0 MiB`),
    ])
    expect(await swapper.events('other')).toContain('unload')
    expect(task.said().filter((message) => message?.startsWith('out of memory'))).toEqual([
      'out of memory: trying again without the other models',
      'out of memory: trying again with 1/2 of the batch',
      'out of memory: trying again with 1/4 of the batch',
    ])
    expect(swapper.pids).toHaveLength(1)
  })

  it('after an eighth it is an error', async () => {
    const swapper = await aSwapper()
    await swapper.model('a', { largest_batch: 0.1 })

    expect(await swapper.run('a').ended).toMatchObject({
      ok: false,
      error: { code: 'out_of_memory', retryable: true },
    })
    expect(await swapper.events('a')).toHaveLength(6)
  })

  it.each(['out_of_memory', 'die_by_the_system', 'last_words'] as const)(
    'while it loads (%s): once more, then the error',
    async (load) => {
      const swapper = await aSwapper()
      await swapper.model('a', { load })

      expect(await swapper.run('a').ended).toMatchObject({ ok: false, error: { code: 'out_of_memory' } })
      expect(await swapper.events('a')).toEqual(['load', 'load'])
      expect(swapper.inUse).toEqual([])
    },
  )
})

describe('[SW10] a cancel while loading', () => {
  it('ends the child after the grace; who waits for the same load gets one of its own', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('a', { load_until: gate.path })
    const abort = new AbortController()
    const cancelled = swapper.run('a', abort.signal)
    // Only then it is sure whose load it is.
    await expect.poll(() => swapper.events('a'), { timeout: 10_000 }).toEqual(['load'])
    const other = swapper.run('a')
    await other.says('loading the model a')
    abort.abort(new EngineError({ code: 'cancelled', message: 'no more', retryable: true }))

    expect(await cancelled.ended).toMatchObject({ ok: false, error: { code: 'cancelled' } })
    expect(lives(swapper.pids[0] ?? 0)).toBe(false)
    await gate.open()
    expect((await other.ended).ok).toBe(true)
  })

  it('while a blocked child makes room it ends at once', async () => {
    const swapper = await aSwapper({ memoryMib: 250 })
    await swapper.model('rests', { memory_mib: 100 })
    await swapper.model('blocks', { memory_mib: 100, run_blocks: true })
    await swapper.model('c')
    await swapper.run('rests').ended
    await swapper.run('blocks').says('running')
    const abort = new AbortController()
    const task = swapper.run('c', abort.signal)
    await task.says('loading the model c')
    abort.abort(new EngineError({ code: 'cancelled', message: 'no more', retryable: true }))

    expect(await task.ended).toMatchObject({ ok: false, error: { code: 'cancelled' } })
    expect(await swapper.events('c')).toEqual([])
  })

  it('one that only waits leaves the load alone', async () => {
    const swapper = await aSwapper()
    const gate = await aSwapGate()
    await swapper.model('a', { load_until: gate.path })
    const prefetched = swapper.hosts.prefetch('a', null)
    const abort = new AbortController()
    const task = swapper.run('a', abort.signal)
    await task.says('loading the model a')
    abort.abort(new EngineError({ code: 'cancelled', message: 'no more', retryable: true }))

    expect(await task.ended).toMatchObject({ ok: false, error: { code: 'cancelled' } })
    await gate.open()
    expect(await prefetched).toMatchObject({ ok: true })
    expect(swapper.pids.map(lives)).toEqual([true])
  })
})
