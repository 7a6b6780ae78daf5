import { describe, expect, test } from 'vitest'
import { FairQueue } from '#core/registry/fair-queue.ts'
import type { Waiting } from '#core/registry/lines.ts'
import { Shares } from '#core/registry/shares.ts'
import { TaskId } from '#protocol/ids.ts'
import { seeded } from '../kit/seeded.ts'
import { jobId, requirementsOf, T0 } from './kit/builders.ts'
import { AGING_MS, MINUTE_MS, TaskLine } from './kit/task-line.ts'

/** Which of all waiting tasks is next. */
describe('priority', () => {
  test('[R34] the highest class that waits goes first, whichever engine it needs', () => {
    const line = new TaskLine()
    line.add('low', { priority: 'low' })
    line.add('normal')
    line.add('high', { priority: 'high', queue: 'de' })
    expect(line.takes(4)).toEqual(['high', 'normal', 'low', null])
  })

  test.each([
    [AGING_MS - 1, 'normal'],
    [AGING_MS, 'low'],
  ])('[R35] after %i ms of waiting the first of low and normal tasks is %s', (waitedMs, first) => {
    const line = new TaskLine()
    line.add('low', { priority: 'low' })
    line.wait(waitedMs)
    line.add('normal')
    expect(line.next()).toBe(first)
  })

  test.each([
    [2 * AGING_MS - 1, 'high'],
    [2 * AGING_MS, 'low'],
  ])('[R35] after %i ms the first of low and high tasks is %s: a class each interval', (waitedMs, first) => {
    const line = new TaskLine()
    line.add('low', { priority: 'low' })
    line.wait(waitedMs)
    line.add('high', { priority: 'high', queue: 'de' })
    expect(line.next()).toBe(first)
  })

  test('[R35] who was lifted goes itself: not a younger or shorter one of its class, nor one of another key', () => {
    const line = new TaskLine()
    line.shares.serve('key', 10 * MINUTE_MS)
    line.shares.serve('other', 10 * MINUTE_MS)
    line.add('old', { priority: 'low' })
    line.wait(AGING_MS)
    line.add('short', { priority: 'low', workMs: 1_000 })
    line.add('of another key', { priority: 'low', share: 'third' })
    line.add('normal')
    line.wait(1_000)
    expect(line.takes(4)).toEqual(['old', 'normal', 'of another key', 'short'])
  })

  test('[R35] age does not undo the fair share: an old backlog does not keep another key out, whatever it needs', () => {
    const line = new TaskLine()
    for (let number = 1; number <= 100; number++) line.add(`old ${number}`, { priority: 'low', share: 'big' })
    line.wait(100 * AGING_MS)
    line.takes(10)
    line.add('new', { share: 'small' })
    line.add('new too', { share: 'small', queue: 'de' })
    const order = line.takes(4)
    expect(order.filter((name) => name?.startsWith('new'))).toEqual(['new', 'new too'])
  })

  test('[R35] without a higher class a low backlog is shared as any other', () => {
    const line = new TaskLine()
    for (let number = 1; number <= 50; number++) line.add(`big ${number}`, { priority: 'low', share: 'big' })
    line.wait(50 * AGING_MS)
    line.takes(5)
    line.add('small', { priority: 'low', share: 'small' })
    expect(line.take()).toBe('small')
  })

  test('[R35] a stream of high tasks starves no low one', () => {
    const line = new TaskLine()
    line.add('low', { priority: 'low', workMs: 60 * MINUTE_MS })
    let taken: string | null = null
    for (let number = 1; taken !== 'low' && number < 200; number++) {
      line.add(`high ${number}`, { priority: 'high' })
      taken = line.take()
      line.wait(MINUTE_MS)
    }
    expect(taken).toBe('low')
    expect(line.nowMs - T0).toBeLessThanOrEqual(2 * AGING_MS + MINUTE_MS)
  })
})

describe('fair share', () => {
  test('[R36] keys take turns by work, not by number: one of ten minutes for ten of one', () => {
    const line = new TaskLine()
    for (let number = 1; number <= 40; number++) {
      line.add(`long ${number}`, { share: 'long', workMs: 10 * MINUTE_MS })
      line.add(`short ${number}`, { share: 'short', queue: 'de' })
    }
    const order = line.takes(44)
    expect(order.filter((name) => name?.startsWith('long'))).toHaveLength(4)
  })

  test('[R36] a key that pauses saves nothing up', () => {
    const line = new TaskLine()
    line.add('first', { share: 'idle' })
    line.take()
    for (let number = 1; number <= 100; number++) line.add(`busy ${number}`, { share: 'busy' })
    line.takes(50)
    for (let number = 1; number <= 50; number++) line.add(`idle ${number}`, { share: 'idle' })
    const order = line.takes(20)
    expect(order.filter((name) => name?.startsWith('idle')).length).toBeGreaterThanOrEqual(9)
    expect(order.filter((name) => name?.startsWith('idle')).length).toBeLessThanOrEqual(11)
  })

  test('[R36] a key that worked alone owes nothing to one that comes', () => {
    const line = new TaskLine()
    for (let number = 1; number <= 100; number++) line.add(`alone ${number}`, { share: 'alone' })
    line.takes(50)
    for (let number = 1; number <= 20; number++) line.add(`new ${number}`, { share: 'new' })
    const order = line.takes(20)
    expect(order.filter((name) => name?.startsWith('alone')).length).toBeGreaterThanOrEqual(9)
  })

  test('[R36] over any mix of lengths no key with a backlog gets more than one task ahead of another', () => {
    const random = seeded(7)
    const line = new TaskLine()
    const longestMs = 30 * MINUTE_MS
    const done = new Map<string, number>()
    const lengths = new Map<string, { share: string; workMs: number }>()
    for (let number = 1; number <= 3_000; number++) {
      const share = `key ${number % 3}`
      const workMs = 1_000 + Math.floor(random() * longestMs)
      lengths.set(`${number}`, { share, workMs })
      line.add(`${number}`, { share, workMs, queue: random() < 0.5 ? 'en' : 'de' })
    }
    for (let step = 0; step < 1_500; step++) {
      const { share, workMs } = lengths.get(line.take() ?? '') ?? { share: '', workMs: 0 }
      done.set(share, (done.get(share) ?? 0) + workMs)
      line.wait(workMs)
      const works = [...done.values()]
      if (done.size === 3)
        expect(Math.max(...works) - Math.min(...works)).toBeLessThanOrEqual(longestMs + 1_000)
    }
  })

  test('[R36] ten thousand keys that came once are forgotten, and count like new ones', () => {
    const shares = new Shares()
    for (let number = 1; number <= 25_000; number++) shares.serve(`key ${number}`, 1)
    shares.serve('key 1', 100)
    expect(shares.virtualMs('key 2')).toBe(shares.virtualMs('never came'))
    expect(shares.virtualMs('key 1')).toBeGreaterThan(shares.virtualMs('never came'))
  })
})

describe('length', () => {
  test('[R37] a short task does not stand behind long ones of its key', () => {
    const line = new TaskLine()
    for (let number = 1; number <= 10; number++) line.add(`long ${number}`, { workMs: 60 * MINUTE_MS })
    line.wait(10 * MINUTE_MS)
    line.add('short', { workMs: 10_000 })
    line.wait(10_000)
    expect(line.takes(3)).toEqual(['short', 'long 1', 'long 2'])
  })

  test('[R37] short tasks that come as fast as they are done do not starve a long one', () => {
    const line = new TaskLine()
    line.add('long', { workMs: 60 * MINUTE_MS })
    for (let number = 1; number <= 30; number++) line.add(`backlog ${number}`, { workMs: 10_000 })
    let taken: string | null = null
    for (let number = 1; taken !== 'long'; number++) {
      line.add(`short ${number}`, { workMs: 10_000 })
      taken = line.take()
      line.wait(10_000)
      expect(number).toBeLessThan(40 * 360)
    }
    expect(line.nowMs - T0).toBeGreaterThan(60 * MINUTE_MS)
  })

  test('[R37] of tasks that came at once the short one goes first', () => {
    const line = new TaskLine()
    line.add('long', { workMs: 60 * MINUTE_MS })
    line.add('short', { workMs: 10_000 })
    line.add('shorter', { workMs: 5_000, queue: 'de' })
    expect(line.takes(3)).toEqual(['shorter', 'short', 'long'])
  })

  test('[R8] tasks of one key, priority and length go in the order of arrival', () => {
    const line = new TaskLine()
    for (const name of ['c', 'a', 'b']) line.add(name)
    line.wait(1_000)
    expect(line.takes(3)).toEqual(['c', 'a', 'b'])
  })
})

describe('offers in vain', () => {
  test('[R38] the task is back where it stood, and its key has lost nothing', () => {
    const line = new TaskLine()
    line.add('a1', { share: 'a' })
    line.add('a2', { share: 'a' })
    line.add('b1', { share: 'b' })
    for (let round = 0; round < 5; round++) {
      expect(line.take()).toBe('a1')
      line.putBack('a1')
    }
    expect(line.takes(3)).toEqual(['a1', 'b1', 'a2'])
  })

  test('[R38] a young task that came back does not stand for the oldest of its class', () => {
    const line = new TaskLine()
    line.add('old', { priority: 'low', share: 'b' })
    line.wait(AGING_MS)
    line.add('young', { priority: 'low', share: 'a' })
    line.shares.serve('b', 1)
    expect(line.take()).toBe('young')
    line.putBack('young')
    line.add('normal', { share: 'b' })
    expect(line.next()).toBe('old')
  })
})

test('[R33] whatever comes and goes, the order is that of comparing everything with everything', () => {
  const random = seeded(11)
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]
  const shares = new Shares()
  const queue = new FairQueue(requirementsOf())
  const model = new Map<TaskId, Waiting>()
  for (let step = 0; step < 5_000; step++) {
    const nowMs = T0 + step * 1_000
    const act = random()
    if (act < 0.5) {
      const taskId = TaskId.parse(`${jobId(step)}.prepare`)
      const workMs = 1_000 * 2 ** Math.floor(random() * 12)
      const share = pick(['a', 'b', 'c']) ?? 'a'
      const task = { taskId, share, priority: 'normal', queuedAtMs: nowMs, workMs } as const
      queue.push(task)
      model.set(taskId, task)
    } else if (act < 0.6) {
      const gone = pick([...model.keys()])
      if (gone !== undefined) queue.remove(gone)
      if (gone !== undefined) model.delete(gone)
    } else {
      const next = queue.fairest('normal', shares, nowMs)
      const tasks = [...model.values()]
      const least = Math.min(...tasks.map(({ share }) => shares.virtualMs(share)))
      expect(next === null).toBe(tasks.length === 0)
      if (next === null) continue
      expect(shares.virtualMs(next.share)).toBe(least)
      const ratios = tasks.filter(({ share }) => share === next.share).map((task) => ratioOf(task, nowMs))
      expect(ratioOf(next, nowMs)).toBe(Math.max(...ratios))
      expect(queue.oldest('normal')?.queuedAtMs).toBe(Math.min(...tasks.map(({ queuedAtMs }) => queuedAtMs)))
      queue.remove(next.taskId)
      model.delete(next.taskId)
      shares.serve(next.share, next.workMs)
    }
    expect(queue.size).toBe(model.size)
  }
  expect([...queue].sort()).toEqual([...model.keys()].sort())
})

function ratioOf({ queuedAtMs, workMs }: Waiting, nowMs: number): number {
  return (nowMs - queuedAtMs + workMs) / workMs
}
