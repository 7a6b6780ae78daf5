import { expect, test, vi } from 'vitest'
import { Loop } from '#control-plane/objects/loop.ts'
import type { Change, Machine } from '#core/machine.ts'

/** A machine whose state is when it wants to be woken, and whose input sets that. */
const machine: Machine<number | null, number | null, never, null> = {
  step: (_state, input) => ({
    state: input,
    changes: [{ kind: 'at', id: 'wake', value: input }],
    effects: [],
    reply: null,
  }),
  nextWakeMs: (state) => state,
}

function aLoop(write: (changes: readonly Change[]) => void = () => undefined) {
  const armed: number[] = []
  const restarts: string[] = []
  const loop = new Loop({
    name: 'test',
    machine,
    state: null,
    records: { write },
    storage: { setAlarm: async (atMs: number) => void armed.push(atMs) },
    armedMs: null,
    wakeInput: () => null,
    restart: (reason: string) => void restarts.push(reason),
    perform: () => null,
    effectId: () => null,
  })
  return { loop, armed, restarts }
}

const SOON = Date.now() + 1_000_000
const LATER = SOON + 1_000_000

test('[L3] the alarm is set only when it is earlier than the one set, or when that has fired', () => {
  const { loop, armed } = aLoop()
  loop.handle(LATER)
  loop.handle(SOON)
  loop.handle(LATER)
  loop.handle(null)
  expect(armed).toEqual([LATER, SOON])
  loop.alarm()
  loop.handle(LATER)
  expect(armed).toEqual([LATER, SOON, LATER])
})

test('[L3] a wake that throws is tried again', () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const { loop, armed, restarts } = aLoop(() => {
    throw new Error('disk full')
  })
  loop.alarm()
  expect(armed).toHaveLength(1)
  expect(restarts).toHaveLength(1)
})

test('[L1] when a save fails nothing is performed and the object leaves memory', () => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
  const { loop, restarts } = aLoop(() => {
    throw new Error('disk full')
  })
  expect(() => loop.handle(SOON)).toThrow('disk full')
  expect(loop.state).toBeNull()
  expect(restarts).toEqual(['the records could not be saved'])
})
