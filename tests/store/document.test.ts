import { describe, expect, test } from 'vitest'
import { SpeakerTurn } from '#protocol/documents.ts'
import { documentOf, inTimeOrder, UnreadableArtifact } from '#store/document.ts'

/** Documents as streams: examined line by line, side by side in the order of time. */
const KIND = { schema: SpeakerTurn, noun: 'speaker turn' }
const line = (start: number, end: number, speaker = 'SPEAKER_00') => JSON.stringify({ start, end, speaker })

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

function read(lines: readonly string[]) {
  return collected(documentOf(KIND, 'jobs/x/turns.jsonl', streamOf(lines)))
}

describe('a document', () => {
  test('[M17] every line is one of its kind', async () => {
    expect(await read([line(0, 1), line(0, 2), line(1, 1)])).toHaveLength(3)
    expect(await read([])).toEqual([])
  })

  test.each([
    ['no JSON', '{"start":', 'is no speaker turn'],
    ['a field too many', '{"start":1,"end":2,"speaker":"SPEAKER_00","text":"secret"}', 'is no speaker turn'],
    ['a bad field, which is named', line(1, 2, 'secret'), 'is no speaker turn (speaker)'],
    ['a line out of order', line(0.5, 2), 'starts at 0.5 s, before the line before it (1 s)'],
    ['a line that ends before it starts', line(2, 1), 'ends at 1 s, before it starts (2 s)'],
  ])('[M17] %s is one error with artifact and line, and without the words', async (_name, broken, reason) => {
    const failure = await read([line(1, 2), broken]).catch((cause: unknown) => cause)
    expect(failure).toBeInstanceOf(UnreadableArtifact)
    expect(failure).toMatchObject({ message: `line 2 of the artifact jobs/x/turns.jsonl ${reason}` })
  })
})

describe('several documents', () => {
  const startOf = ([, start]: readonly [string, number]) => start
  const sorted = (...documents: readonly (readonly (readonly [string, number])[])[]) =>
    collected(inTimeOrder(documents.map(streamOf), startOf))

  test('[M15] are one stream by start; of equal starts the first document is first', async () => {
    const all = await sorted(
      [
        ['a', 1],
        ['a', 3],
        ['a', 3],
      ],
      [],
      [
        ['b', 0],
        ['b', 1],
        ['b', 3],
        ['b', 9],
      ],
    )
    expect(all.map(([name, start]) => `${name}${start}`).join(' ')).toBe('b0 a1 b1 a3 a3 b3 b9')
    expect(await sorted()).toEqual([])
  })

  test('[M16] only one line of each is read ahead', async () => {
    let taken = 0
    async function* counting(): AsyncGenerator<readonly [string, number]> {
      for (let start = 0; start < 100; start++) {
        taken++
        yield ['a', start]
      }
    }
    const stream = inTimeOrder([counting()], startOf)
    for (let index = 0; index < 10; index++) await stream.next()
    expect(taken).toBe(10)
    await stream.return(undefined)
  })

  test('[M17] when one breaks the others are let go', async () => {
    let isLetGo = false
    async function* endless(): AsyncGenerator<readonly [string, number]> {
      try {
        for (let start = 0; ; start++) yield ['a', start]
      } finally {
        isLetGo = true
      }
    }
    async function* broken(): AsyncGenerator<readonly [string, number]> {
      yield ['b', 2]
      throw new UnreadableArtifact('broken')
    }
    await expect(collected(inTimeOrder([endless(), broken()], startOf))).rejects.toThrow('broken')
    expect(isLetGo).toBe(true)
  })
})
