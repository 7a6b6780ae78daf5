import { describe, expect, it } from 'vitest'
import { place } from '#agent/residency/place.ts'
import { overdue, roomFor } from '#agent/residency/room.ts'
import { aResidency, aResident, aWant, nothingPinned, pins, told } from './kit/residencies.ts'

describe('[SW3] room for one more', () => {
  const old = aResident('old', { idleSinceMs: 1 })
  const young = aResident('young', { idleSinceMs: 2 })
  const inUse = aResident('in-use', { phase: 'in_use' })
  it.each([
    { what: 'enough room', residents: [old, young], needs: 100, pinned: [], result: [] },
    {
      what: 'the longest unused goes first',
      residents: [young, old],
      needs: 200,
      pinned: [],
      result: ['old'],
    },
    {
      what: 'as many as it takes',
      residents: [young, old],
      needs: 300,
      pinned: [],
      result: ['old', 'young'],
    },
    { what: 'not what is in use', residents: [inUse, old], needs: 200, pinned: [], result: ['old'] },
    { what: 'in use and too much', residents: [inUse, old], needs: 300, pinned: [], result: 'taken' },
    {
      what: 'a load counts',
      residents: [aResident('x', { phase: 'loading', memoryMib: 250 })],
      needs: 100,
      pinned: [],
      result: 'taken',
    },
    {
      what: 'what leaves counts until it is gone',
      residents: [aResident('x', { phase: 'unloading', memoryMib: 250 })],
      needs: 100,
      pinned: [],
      result: 'taken',
    },
    { what: 'the pinned one stays', residents: [old, young], needs: 200, pinned: ['old'], result: ['young'] },
    {
      what: 'pinned, and nothing else left',
      residents: [old, young],
      needs: 300,
      pinned: ['old'],
      result: ['young', 'old'],
    },
    { what: 'more than there is', residents: [], needs: 301, pinned: [], result: 'never' },
  ])('$what', ({ residents, needs, pinned, result }) => {
    const room = roomFor({ memoryMib: needs, vramMib: 0 }, aResidency(residents), {
      isPinned: pins(...pinned),
      mayLeave: true,
    })
    expect(room.kind === 'fits' ? room.evict.map((one) => one.modelId) : room.kind).toEqual(result)
  })

  it('a GPU’s memory has a budget of its own', () => {
    const residency = aResidency([aResident('old', { vramMib: 80 })], 10_000, 100)
    const room = roomFor({ memoryMib: 1, vramMib: 50 }, residency, {
      isPinned: nothingPinned,
      mayLeave: true,
    })
    expect(room).toMatchObject({ kind: 'fits', evict: [{ modelId: 'old' }] })
    expect(
      roomFor({ memoryMib: 1, vramMib: 101 }, residency, { isPinned: nothingPinned, mayLeave: true }).kind,
    ).toBe('never')
  })

  it('a task waits for what is in use, and is refused what never fits', () => {
    const residency = aResidency([aResident('b', { phase: 'in_use', memoryMib: 250 })])
    expect(told(aWant('a'), residency, [])).toBe('wait for memory')
    expect(place(aWant('a', { memoryMib: 301 }), residency, [], nothingPinned)).toMatchObject({
      kind: 'refuse',
      error: {
        code: 'model_too_large',
        message: 'The model a takes 301 MiB, this agent may use 300 (--memory-mib).',
        retryable: true,
      },
    })
  })

  it('what was measured to take more than the budget makes the longest unused go', () => {
    const residency = aResidency([
      aResident('grown', { phase: 'in_use', memoryMib: 150 }),
      aResident('old', { idleSinceMs: 1 }),
      aResident('young', { idleSinceMs: 2 }),
    ])
    expect(overdue(residency, nothingPinned, 3).map((one) => one.modelId)).toEqual(['old'])
    expect(overdue(residency, pins('old'), 3).map((one) => one.modelId)).toEqual(['young'])
  })
})
