import { describe, expect, test } from 'vitest'
import { AgedMap } from '#core/structures/aged-map.ts'
import { Deadlines } from '#core/structures/deadlines.ts'
import { Fifo } from '#core/structures/fifo.ts'
import { IndexedSet } from '#core/structures/indexed-set.ts'
import { seeded } from '../kit/seeded.ts'

/** Each structure beside the plainest thing that does the same, over the same seeded operations. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
const OPERATIONS = 4_000
/** Few enough keys that each comes back often, many enough to make the structure sweep and shrink. */
const KEYS = 700

interface Dice {
  below(limit: number): number
  isOne(of: number): boolean
}

function eachSeed(run: (dice: Dice, operations: number) => void): void {
  for (const seed of SEEDS) {
    const random = seeded(seed)
    const below = (limit: number) => Math.floor(random() * limit)
    try {
      run({ below, isOne: (of) => below(of) === 0 }, OPERATIONS)
    } catch (cause) {
      throw new Error(`broken with seed ${seed}`, { cause })
    }
  }
}

describe('Fifo', () => {
  test('[R33] a line is a list from whose front, end and middle members come and go', () => {
    eachSeed((dice, operations) => {
      const line = new Fifo<number>()
      let model: number[] = []
      for (let step = 0; step < operations; step++) {
        const member = dice.below(KEYS)
        const rest = model.filter((one) => one !== member)
        const act = dice.below(8)
        if (act < 3) {
          line.push(member)
          model = [...rest, member]
        } else if (act === 3) {
          line.unshift(member)
          model = [member, ...rest]
        } else if (act < 6) {
          expect(line.remove(member)).toBe(rest.length < model.length)
          model = rest
        } else {
          const [first = null] = model
          expect(line.first()).toBe(first)
          if (first !== null) line.remove(first)
          model = model.slice(1)
        }
        expect(line.size).toBe(model.length)
        expect(line.has(member)).toBe(model.includes(member))
        if (step % 50 === 0) expect([...line]).toEqual(model)
      }
      expect([...line]).toEqual(model)
    })
  })

  test('[R33] whoever is just met may leave while the line is walked', () => {
    const line = new Fifo<number>()
    for (const member of [1, 2, 3, 4]) line.push(member)
    const met: number[] = []
    for (const member of line) {
      met.push(member)
      line.remove(member)
    }
    expect([met, line.size, line.first()]).toEqual([[1, 2, 3, 4], 0, null])
  })
})

describe('AgedMap', () => {
  test('[R33] a map that names what was set longest ago', () => {
    eachSeed((dice, operations) => {
      const map = new AgedMap<number, number>()
      const model = new Map<number, number>()
      for (let step = 0; step < operations; step++) {
        const key = dice.below(KEYS)
        model.delete(key)
        if (dice.isOne(3)) map.delete(key)
        else {
          map.set(key, step)
          model.set(key, step)
        }
        const [oldest = null] = model.keys()
        expect(map.oldestKey()).toBe(oldest)
        expect(map.size).toBe(model.size)
        expect(map.get(key)).toBe(model.get(key))
        expect(map.has(key)).toBe(model.has(key))
      }
    })
  })
})

describe('Deadlines', () => {
  test('[R33] keys are taken when they are due, the earliest first, however often their deadlines moved', () => {
    eachSeed((dice, operations) => {
      const deadlines = new Deadlines<number>()
      const model = new Map<number, number>()
      const earliestMs = () => (model.size === 0 ? null : Math.min(...model.values()))
      let nowMs = 0
      for (let step = 0; step < operations; step++) {
        const key = dice.below(KEYS)
        const act = dice.below(10)
        if (act < 6) {
          // Often a time that another key has too, sometimes one that is over.
          const dueMs = nowMs - 20 + dice.below(dice.isOne(4) ? 2_000 : 60)
          deadlines.set(key, dueMs)
          model.set(key, dueMs)
        } else if (act < 8) {
          deadlines.set(key, null)
          model.delete(key)
        } else {
          nowMs += dice.below(30)
          for (let due = deadlines.take(nowMs); due !== null; due = deadlines.take(nowMs)) {
            const dueMs = model.get(due)
            expect(dueMs).toBe(earliestMs())
            expect(dueMs).toBeLessThanOrEqual(nowMs)
            model.delete(due)
          }
          expect(earliestMs() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowMs)
        }
        expect(deadlines.nextMs()).toBe(earliestMs())
        const first = deadlines.first()
        expect(first === null ? null : model.get(first)).toBe(earliestMs())
      }
    })
  })

  test('[R33] a lease that is extended for ever, and keys that come and go behind one that stays', () => {
    const deadlines = new Deadlines<string>()
    deadlines.set('stays', 1_000_000)
    for (let nowMs = 0; nowMs < 100_000; nowMs += 10) {
      deadlines.set('lease', nowMs + 30)
      deadlines.set(`task ${nowMs}`, 2_000_000 + nowMs)
      deadlines.set(`task ${nowMs - 50}`, null)
      expect(deadlines.take(nowMs)).toBeNull()
    }
    expect(deadlines.nextMs()).toBe(99_990 + 30)
    deadlines.set('lease', null)
    expect(deadlines.take(1_000_000)).toBe('stays')
  })
})

describe('IndexedSet', () => {
  test('[R33] a set that gives the one that came last, after many came and went', () => {
    eachSeed((dice, operations) => {
      const set = new IndexedSet<number>()
      const model = new Set<number>()
      for (let step = 0; step < operations; step++) {
        const member = dice.below(KEYS)
        if (dice.isOne(2)) {
          set.add(member)
          model.add(member)
        } else {
          set.delete(member)
          model.delete(member)
        }
        expect(set.size).toBe(model.size)
        if (step % 50 === 0) expect([...set].sort((a, b) => a - b)).toEqual([...model].sort((a, b) => a - b))
      }
      const [newest = null] = [KEYS].map((member) => {
        set.add(member)
        return [...set][0]
      })
      expect(newest).toBe(KEYS)
    })
  })
})
