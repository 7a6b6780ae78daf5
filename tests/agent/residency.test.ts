import { describe, expect, it } from 'vitest'
import type { LaneView, Want } from '#agent/residency/place.ts'
import { isRetained } from '#agent/residency/release.ts'
import { laneDropped, loadedModels, prolonged, rested, used } from '#agent/residency/residency.ts'
import { nextExpiryMs, overdue, restingOthers } from '#agent/residency/room.ts'
import { FIRST_TRY, nextTry, saysOutOfMemory, sentenceOfTry, type Try } from '#agent/residency/tries.ts'
import { aLane, aResidency, aResident, asNamed, aWant, nothingPinned, pins, told } from './kit/residencies.ts'

describe('[SW1] where a task gets its model', () => {
  const free = [aLane(0)]
  const busy: LaneView[] = [aLane(0, { holder: 'task' })]
  it.each([
    { state: 'it rests in a free child', residents: [aResident('a')], lanes: free, result: 'ready in 0' },
    { state: 'nothing is loaded', residents: [], lanes: free, result: 'load in 0' },
    {
      state: 'another rests there and there is room',
      residents: [aResident('b')],
      lanes: free,
      result: 'load in 0',
    },
    { state: 'the engine has no child', residents: [], lanes: [], result: 'load in a new child' },
    {
      state: 'its child is busy with it',
      residents: [aResident('a', { phase: 'in_use' })],
      lanes: busy,
      result: 'load in a new child',
    },
    {
      state: 'its child is busy with another',
      residents: [aResident('a')],
      lanes: busy,
      result: 'load in a new child',
    },
    {
      state: 'only another engine has a child',
      residents: [],
      lanes: [aLane(0, { engineId: 'prepare' })],
      result: 'load in a new child',
    },
    {
      state: 'two free children',
      residents: [aResident('b')],
      lanes: [aLane(0), aLane(1)],
      result: 'load in 1',
    },
  ])('$state: $result', ({ residents, lanes, result }) => {
    expect(told(aWant('a'), aResidency(residents), lanes)).toBe(result)
  })

  it('an engine without a model takes any free child of its own', () => {
    const want: Want = { engineId: 'ctc', model: null, holder: 'task' }
    expect(told(want, aResidency([]), [aLane(0, { holder: 'task' }), aLane(1)])).toBe('load in 1')
  })
})

describe('[SW2] one load for all who wait', () => {
  it.each(['loading', 'unloading'] as const)('a model that is %s is waited for', (phase) => {
    const residency = aResidency([aResident('a', { phase })])
    expect(told(aWant('a'), residency, [aLane(0, { holder: 'prefetch' }), aLane(1)])).toBe('wait for load')
  })

  it('another model is loaded meanwhile, in another child', () => {
    const residency = aResidency([aResident('a', { phase: 'loading' })])
    expect(told(aWant('b'), residency, [aLane(0, { holder: 'task' })])).toBe('load in a new child')
  })

  it('an engine has one prefetch at a time', () => {
    const residency = aResidency([aResident('a', { phase: 'loading' })])
    const lanes = [aLane(0, { holder: 'prefetch' })]
    expect(told(aWant('b', { holder: 'prefetch' }), residency, lanes)).toBe('wait for load')
    expect(told(aWant('b'), residency, lanes)).toBe('load in a new child')
  })
})

describe('[SW4] keep-alive', () => {
  const at = aResident('a')
  it.each([
    { keepAliveMs: 1_000, atMs: 999, gone: false },
    { keepAliveMs: 1_000, atMs: 1_000, gone: true },
    { keepAliveMs: 0, atMs: 0, gone: true },
    { keepAliveMs: Number.POSITIVE_INFINITY, atMs: 10 ** 12, gone: false },
  ])('$keepAliveMs ms after its task, at $atMs: gone $gone', ({ keepAliveMs, atMs, gone }) => {
    const residency = rested(aResidency([aResident('a', { phase: 'in_use', keepAliveMs })]), at, 0)
    expect(overdue(residency, nothingPinned, atMs)).toHaveLength(gone ? 1 : 0)
    expect(nextExpiryMs(residency, nothingPinned)).toBe(keepAliveMs)
  })

  it('a pinned model and one in use have none', () => {
    const residency = aResidency([aResident('a', { untilMs: 5 }), aResident('b', { phase: 'in_use' })])
    expect(overdue(residency, pins('a'), 10)).toEqual([])
    expect(nextExpiryMs(residency, pins('a'))).toBe(Number.POSITIVE_INFINITY)
    expect(overdue(used(residency, at), nothingPinned, 10)).toEqual([])
  })

  it('a prefetch prolongs what lies there, and keeps its longer keep-alive for the next rest', () => {
    const residency = aResidency([aResident('a', { untilMs: 5, keepAliveMs: 5 })])
    const longer = prolonged(residency, { id: 'a', identity: 'a' }, { keepAliveMs: 50, leastMs: 0, nowMs: 1 })
    expect(nextExpiryMs(longer, nothingPinned)).toBe(51)
    expect(nextExpiryMs(rested(used(longer, at), at, 100), nothingPinned)).toBe(150)
    expect(
      nextExpiryMs(
        prolonged(longer, { id: 'a', identity: 'a' }, { keepAliveMs: 0, leastMs: 9, nowMs: 1 }),
        nothingPinned,
      ),
    ).toBe(51)
  })
})

describe('[SW5] a prefetch is a guess', () => {
  it.each([
    {
      what: 'evicts what rests',
      residents: [aResident('b', { memoryMib: 250 })],
      pinned: [],
      result: 'load in a new child',
    },
    {
      what: 'not what is pinned',
      residents: [aResident('b', { memoryMib: 250 })],
      pinned: ['b'],
      result: 'wait for memory',
    },
    {
      what: 'not what is in use',
      residents: [aResident('b', { memoryMib: 250, phase: 'in_use' })],
      pinned: [],
      result: 'wait for memory',
    },
  ])('$what', ({ residents, pinned, result }) => {
    expect(told(aWant('a', { holder: 'prefetch' }), aResidency(residents), [], pins(...pinned))).toBe(result)
  })
})

describe('[SW7] what lies in memory', () => {
  it('is what could run at once', () => {
    const phases = [{ phase: 'in_use' }, {}, { phase: 'loading' }, { phase: 'unloading' }] as const
    const residency = aResidency(phases.map((phase, index) => aResident(`m${index}`, phase)))
    expect([...loadedModels(residency, asNamed)]).toEqual(['m0', 'm1'])
  })

  it('goes with its child, but for a load that hears of it by itself', () => {
    const residency = aResidency([
      aResident('a'),
      aResident('b', { phase: 'loading' }),
      aResident('c', { laneId: 1 }),
    ])
    expect(laneDropped(residency, 0).residents.map((one) => one.modelId)).toEqual(['b', 'c'])
  })
})

describe('[SW8] what counts as given back', () => {
  it.each([
    { before: 60, after: 93, retained: false },
    { before: 60, after: 142, retained: false },
    { before: 60, after: 143, retained: true },
  ])('$before MiB before the first load, $after after the last release', ({ before, after, retained }) => {
    expect(isRetained(after, before)).toBe(retained)
  })
})

describe('[SW9] out of memory', () => {
  it.each([
    { during: 'run', scales: [1, 1, 1 / 2, 1 / 4, 1 / 8] },
    { during: 'load', scales: [1, 1] },
  ] as const)('while it $during: tries $scales', ({ during, scales }) => {
    const tries: Try[] = []
    for (let next: Try | null = FIRST_TRY; next !== null; next = nextTry(next, during)) tries.push(next)
    expect(tries.map((one) => one.batchScale)).toEqual(scales)
    expect(tries.map((one) => one.alone)).toEqual(scales.map((_, index) => index > 0))
  })

  it('each try says what it is', () => {
    expect(sentenceOfTry({ batchScale: 1, alone: true })).toContain('without the other models')
    expect(sentenceOfTry({ batchScale: 0.25, alone: true })).toContain('1/4 of the batch')
  })

  it('what rests makes way, pinned ones only when nothing else does; its own model stays', () => {
    const residency = aResidency([aResident('a'), aResident('b'), aResident('c', { phase: 'in_use' })])
    const others = (...pinned: string[]) =>
      restingOthers(residency, 'own', pins(...pinned)).map((one) => one.modelId)
    expect(others()).toEqual(['a', 'b'])
    expect(others('a')).toEqual(['b'])
    expect(others('a', 'b')).toEqual(['a', 'b'])
    expect(restingOthers(residency, 'a', nothingPinned).map((one) => one.modelId)).toEqual(['b'])
  })

  it.each([
    ["terminate called after throwing an instance of 'std::bad_alloc'", true],
    ['Failed to allocate memory for requested buffer of size 4294967296', true],
    ['CUDA error: out of memory', true],
    ['FATAL ERROR: JavaScript heap out of memory', true],
    ['RangeError: Array buffer allocation failed', true],
    ['Error: no such file', false],
  ])('%s: %s', (text, says) => {
    expect(saysOutOfMemory(text)).toBe(says)
  })
})
