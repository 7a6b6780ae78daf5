import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MergeOrder } from '#core/job/effects.ts'
import type { SpeakerTurn } from '#protocol/documents.ts'
import type { Segment } from '#protocol/transcript.ts'
import { taskId } from '#tests/core/kit/builders.ts'
import { aRule, said, script, turn } from '#tests/core/kit/merging.ts'
import { type MergeServer, mergedLines, putLines, startMergeServer } from './kit/merge-server.ts'

/** The entrypoint: documents in R2 go in, a transcript in R2 or a typed failure comes out. */
let server: MergeServer
let count = 0
beforeAll(async () => {
  server = await startMergeServer()
})
afterAll(() => server.close())

/** An order whose documents lie, and whose transcript will lie, under a prefix of its own. */
function anOrder(parts: Partial<MergeOrder> = {}): MergeOrder {
  const prefix = `test${++count}/`
  return {
    ...aRule(),
    taskId: taskId('merge'),
    fence: 1,
    outputPrefix: prefix,
    transcripts: [{ channel: null, key: `${prefix}in.jsonl` }],
    turnsKey: null,
    emotionsKey: null,
    topicsKey: null,
    ...parts,
  }
}

/** A diarized job with these documents. */
async function diarized(segments: readonly Segment[], turns: readonly SpeakerTurn[]): Promise<MergeOrder> {
  const turnsKey = `turns${count}.jsonl`
  const order = anOrder({ diarizationSource: 'diarize', turnsKey })
  await putLines(server, order.transcripts[0]?.key ?? '', segments)
  await putLines(server, turnsKey, turns)
  return order
}

test('[M7] [M11] [M12] [M13] every document that the order names is read from where it lies', async () => {
  const order = anOrder({
    transcripts: [
      { channel: 0, key: 'left' },
      { channel: 1, key: 'right' },
    ],
    diarizationSource: 'diarize',
    turnsKey: 'turns',
    emotionsKey: 'emotions',
    topicsKey: 'topics',
    events: { key: 'events' },
  })
  const span = { start: 0, end: 1.5, confidence: null }
  await putLines(server, 'left', [said('hello you', 0)])
  await putLines(server, 'right', [said('hm', 1)])
  await putLines(server, 'turns', [turn(0, 0, 1), turn(1, 1, 2)])
  await putLines(server, 'emotions', [{ ...span, emotion: 'joy' }])
  await putLines(server, 'topics', [{ ...span, topic: 'greeting' }])
  await putLines(server, 'events', [{ ...span, label: 'door' }])
  expect(await server.merge(order)).toMatchObject({
    status: 'completed',
    artifacts: [{ name: 'transcript.jsonl', key: `${order.outputPrefix}transcript.jsonl` }],
    summary: { stage: 'merge', segment_count: 3, word_count: 3, speaker_count: 2 },
  })
  const segments = await mergedLines(server, order)
  expect(script(segments ?? [])).toEqual(['SPEAKER_00: hello', 'SPEAKER_01: you', 'SPEAKER_01: hm'])
  expect(segments?.map(({ channel }) => channel)).toEqual([0, 0, 1])
  for (const segment of segments ?? [])
    expect(segment).toMatchObject({ emotion: 'joy', topics: ['greeting'], events: [{ label: 'door' }] })
})

test('[M3] an empty transcript is an empty object and no_speech', async () => {
  const order = await diarized([], [turn(0, 0, 1)])
  expect(await server.merge(order)).toMatchObject({ summary: { no_speech: true, speaker_count: 0 } })
  expect(await mergedLines(server, order)).toEqual([])
})

describe('what cannot be merged', () => {
  test('[M17] an artifact that is not there is named', async () => {
    const order = anOrder({ emotionsKey: 'nowhere.jsonl' })
    await putLines(server, order.transcripts[0]?.key ?? '', [said('hello', 0)])
    expect(await server.merge(order)).toEqual({
      status: 'failed',
      error: {
        code: 'invalid_artifact',
        message: 'the artifact nowhere.jsonl is not there',
        retryable: false,
      },
    })
    expect(await mergedLines(server, order)).toBeNull()
  })

  test('[M17] a line that is out of order is named with its artifact', async () => {
    const order = await diarized([said('hello', 0), said('hello', 5)], [turn(0, 3, 4), turn(1, 2, 3)])
    expect(await server.merge(order)).toMatchObject({
      error: {
        code: 'invalid_artifact',
        message: `line 2 of the artifact ${order.turnsKey} starts at 2 s, before the line before it (3 s)`,
        retryable: false,
      },
    })
    expect(await mergedLines(server, order)).toBeNull()
  })

  test.each([
    ['no transcript', { transcripts: [] }],
    ['no turns for its speakers', { diarizationSource: 'diarize' as const }],
  ])('[M17] an order with %s is a missing input', async (_name, parts) => {
    expect(await server.merge(anOrder(parts))).toMatchObject({
      error: { code: 'missing_input', retryable: false },
    })
  })

  test('[M18] lines that all overlap are refused before memory ends', async () => {
    const order = await diarized(
      [said('hello', 0)],
      Array.from({ length: 20_001 }, () => turn(0, 0, 36_000)),
    )
    expect(await server.merge(order)).toMatchObject({
      error: { code: 'invalid_artifact', message: expect.stringContaining('overlap at 0 s') },
    })
  })
})

test('[M16] ten hours of words are merged', async () => {
  const every = <T>(step: number, of: (start: number) => T) =>
    Array.from({ length: 36_000 / step }, (_, index) => of(index * step))
  const order = await diarized(
    every(9, (start) => said('so these are the nine words of a segment', start)),
    every(6, (start) => turn((start / 6) % 2, start, start + 7)),
  )
  expect(await server.merge(order)).toMatchObject({
    status: 'completed',
    summary: { word_count: 36_000, speaker_count: 2, granularity_achieved: 'word', warnings: [] },
  })
})
