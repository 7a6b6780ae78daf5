import { expect, test } from 'vitest'
import { type Answer, Loop } from '#control-plane/objects/loop.ts'
import type { Change, Machine } from '#core/machine.ts'

/** A machine whose state is when it wants to be woken, and whose input sets that and names effects. */
interface Input {
  readonly wakeMs: number | null
  readonly effects?: readonly string[]
}
const machine: Machine<number | null, Input, string, null> = {
  step: (_state, { wakeMs, effects = [] }) => ({
    state: wakeMs,
    changes: [{ kind: 'at', id: 'wake', value: wakeMs }],
    effects,
    reply: null,
  }),
  nextWakeMs: (state) => state,
}
const NOW = Date.UTC(2025, 0, 1)
const SOON = { wakeMs: NOW + 1_000 }
const LATER = { wakeMs: NOW + 2_000 }
const NEVER = { wakeMs: null }

function aLoop(write: (changes: readonly Change[]) => void = () => undefined, soonMs = 0) {
  const armed: number[] = []
  const timers: (number | null)[] = []
  const restarts: string[] = []
  const logged: string[] = []
  const running: { readonly effect: string; readonly answer: Answer<Input> }[] = []
  const loop = new Loop<number | null, Input, string, null>({
    name: 'test',
    machine,
    state: null,
    records: { write },
    storage: { setAlarm: (atMs) => void armed.push(atMs) },
    setTimer: (afterMs) => void timers.push(afterMs),
    soonMs,
    armedMs: null,
    nowMs: () => NOW,
    log: (event) => void logged.push(event),
    wakeInput: () => NEVER,
    restart: (reason) => void restarts.push(reason),
    perform: (effect, answer) => {
      running.push({ effect, answer })
      if (effect === 'throws') throw new Error('it threw')
    },
    effectId: (effect) => (effect === 'publish' ? null : effect),
  })
  return { loop, armed, timers, restarts, logged, running }
}

function diskFull(): never {
  throw new Error('disk full')
}

test('[L3] the alarm is set only when it is earlier than the one set, or when that has fired', () => {
  const { loop, armed } = aLoop()
  loop.handle(LATER)
  loop.handle(SOON)
  loop.handle(LATER)
  loop.handle(NEVER)
  expect(armed).toEqual([LATER.wakeMs, SOON.wakeMs])
  loop.alarm()
  loop.handle(LATER)
  expect(armed).toEqual([LATER.wakeMs, SOON.wakeMs, LATER.wakeMs])
})

test('[L3] what is due soon gets a timer, and an alarm 20 s behind it that serves the next ones too', () => {
  const { loop, armed, timers } = aLoop(undefined, 1_500)
  loop.handle(SOON)
  expect(timers).toEqual([1_000])
  expect(armed).toEqual([NOW + 21_000])
  loop.handle(NEVER)
  loop.handle(SOON)
  expect(timers).toEqual([1_000, null, 1_000])
  loop.timer()
  expect(loop.state).toBeNull()
  loop.handle(LATER)
  expect(armed).toEqual([NOW + 21_000, LATER.wakeMs])
  loop.handle({ wakeMs: LATER.wakeMs + 1 })
  expect(timers).toEqual([1_000, null, 1_000])
})

test('[L3] a wake that throws is tried again', () => {
  const { loop, armed, restarts, logged } = aLoop(diskFull)
  loop.alarm()
  expect(armed).toEqual([NOW + 5_000])
  expect(restarts).toHaveLength(1)
  expect(logged).toEqual(['test.save_failed', 'test.wake_failed'])
})

test('[L1] when a save fails nothing is performed and the object leaves memory', () => {
  const { loop, restarts, running } = aLoop(diskFull)
  expect(() => loop.handle({ ...SOON, effects: ['a'] })).toThrow('disk full')
  expect(loop.state).toBeNull()
  expect(restarts).toEqual(['the records could not be saved'])
  expect(running).toEqual([])
})

test('[L1] an effect runs at most once at a time; after its answer, or its failure, it may run again', () => {
  const { loop, running, logged } = aLoop()
  const order = { ...LATER, effects: ['a', 'publish'] }
  loop.handle(order)
  loop.handle(order)
  expect(running.map(({ effect }) => effect)).toEqual(['a', 'publish', 'publish'])
  running[0]?.answer.ok(SOON)
  expect(loop.state).toBe(SOON.wakeMs)
  loop.handle(order)
  running.findLast(({ effect }) => effect === 'a')?.answer.failed(new Error('lost'))
  expect(logged).toEqual(['test.effect_failed'])
  loop.handle(order)
  expect(running.filter(({ effect }) => effect === 'a')).toHaveLength(3)
})

test('[L1] an effect that throws at once holds up no other, and may run again', () => {
  const { loop, running, logged } = aLoop()
  loop.handle({ ...SOON, effects: ['throws', 'a'] })
  loop.handle({ ...SOON, effects: ['throws', 'a'] })
  expect(running.map(({ effect }) => effect)).toEqual(['throws', 'a', 'throws'])
  expect(logged).toEqual(['test.effect_failed', 'test.effect_failed'])
})

test('[L1] who waits for effects goes on when each has been tried, its answer taken', async () => {
  const { loop, running } = aLoop()
  loop.handle({ ...LATER, effects: ['row:1', 'other'] })
  const settled = loop.settled('row:').then(() => loop.state)
  running[0]?.answer.ok(SOON)
  expect(await settled).toBe(SOON.wakeMs)
  await loop.settled('nothing:')
})
