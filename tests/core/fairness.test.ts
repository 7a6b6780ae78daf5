import { describe, expect, test } from 'vitest'
import { T0 } from './kit/builders.ts'
import { PoolRun, type Recording } from './kit/pool-run.ts'

/** The whole registry on a virtual clock, with one agent of one slot, and what its users wait for. */
const many = (name: string, count: number, parts: Omit<Recording, 'name'>): Recording[] =>
  Array.from({ length: count }, (_, index) => ({ name: `${name} ${index + 1}`, ...parts }))

describe('two keys with backlogs of 1,000 and of 10 tasks', () => {
  const PER_RECORDING = 2
  const small = many('small', 10 / PER_RECORDING, { seconds: 60, share: 'small', atMs: 100_000 })
  const big = many('big', 1_000 / PER_RECORDING, { seconds: 60, share: 'big', language: 'en' })
  const last = `small ${small.length}`
  const waitOf = (recordings: readonly Recording[]) => {
    const pool = new PoolRun(recordings).until(last)
    return (pool.endMs.get(`${last} transcribe`) ?? 0) - T0 - 100_000
  }

  test.each([
    ['for the same engines', 'en'],
    ['in another language', 'de'],
  ])('[R39] the small one waits at most twice its time alone, %s', (_name, language) => {
    const asked = small.map((recording) => ({ ...recording, language }))
    expect(waitOf([...big, ...asked])).toBeLessThanOrEqual(2 * waitOf(asked))
  })

  test('[R39] also when the big one waited for hours, of low priority, and has long been lifted', () => {
    const atMs = 3_000_000
    const asked = small.map((recording) => ({ ...recording, language: 'de', atMs }))
    const old = big.map((recording) => ({ ...recording, priority: 'low' as const }))
    const pool = new PoolRun([...old, ...asked]).until(last)
    const alone = new PoolRun(asked).until(last)
    const waited = (run: PoolRun) => (run.endMs.get(`${last} transcribe`) ?? 0) - T0 - atMs
    expect(waited(pool)).toBeLessThanOrEqual(2 * waited(alone))
  })

  test('[R39] the big one loses no more than what the small one gets', () => {
    const pool = new PoolRun([...big, ...small]).until('big 500')
    const work = pool.registry.nowMs - T0
    const alone = new PoolRun(big).until('big 500')
    expect(work - (alone.registry.nowMs - T0)).toBeLessThanOrEqual(small.length * 66 * 100)
  })
})

describe('a clip of 10 s behind ten files of an hour', () => {
  const files = many('file', 10, { seconds: 3_600 })
  const cases = [1_000, 100_000, 500_000, 2_000_000, 3_500_000].flatMap((atMs) => [
    { share: 'key', atMs },
    { share: 'another key', atMs },
  ])
  test.each(cases)(
    '[R39] of $share after $atMs ms: each of its stages starts within two task slots',
    ({ share, atMs }) => {
      const pool = new PoolRun([...files, { name: 'clip', seconds: 10, share, atMs }]).until('clip')
      // One runs when it comes; at most one more is begun before it.
      expect(pool.tasksBefore('clip prepare', T0 + atMs)).toBeLessThanOrEqual(1)
      const preparedMs = pool.endMs.get('clip prepare') ?? 0
      expect(pool.tasksBefore('clip transcribe', preparedMs)).toBeLessThanOrEqual(1)
    },
  )
})

test('[R37] jobs are finished rather than begun: only what nothing older waits beside is begun', () => {
  const recordings = ['a', 'b', 'c'].map((name, index) => ({ name, seconds: 100, atMs: index * 500 }))
  const { began } = new PoolRun(recordings).until('c')
  // When prepare of a ends its slot is free at once, a moment before its job has enqueued what comes next.
  const rest = ['a transcribe', 'b transcribe', 'c prepare', 'c transcribe']
  expect(began).toEqual(['a prepare', 'b prepare', ...rest])
})
