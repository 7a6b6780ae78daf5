import { expect, test } from 'vitest'
import { mayRedraw } from '#cli/io.ts'
import { outputNames } from '#cli/recordings.ts'
import { bar, renderBars, renderCompact } from '#cli/render-bars.ts'
import { renderEnd } from '#cli/render-end.ts'
import { renderLines } from '#cli/render-lines.ts'
import { renderTable } from '#cli/render-table.ts'
import { cut, cutStart, duration, printable, width } from '#cli/text.ts'
import { foldEvent, type JobEvent, type LiveJob } from '#protocol/events.ts'
import {
  aFinishedJob,
  aJob,
  aStage,
  completed,
  partialEvent,
  progressEvent,
  progressOf,
  snapshot,
  stageEvent,
} from '#tests/client/kit/jobs.ts'

const FULL = bar(100)
const NONE = bar(0)
const live = (changes: Parameters<typeof aJob>[0], partial: string | null = null): LiveJob => {
  const event = partialEvent(1, partial ?? '')
  return {
    job: aJob(changes),
    partial: partial !== null && event.type === 'transcript.partial' ? event.partial : null,
  }
}
const oneStage = (changes: Parameters<typeof aStage>[1]) => live({ stages: [aStage('transcribe', changes)] })

test.each<[string, LiveJob, string]>([
  ['waits for its turn', oneStage({}), `${NONE} waits`],
  [
    'is queued, and why',
    oneStage({ status: 'ready', why: 'every slot is busy' }),
    `${NONE} queued, every slot is busy`,
  ],
  ['runs, unknown how far', oneStage({ status: 'running' }), `${NONE} runs`],
  [
    'runs',
    oneStage({ status: 'running', progress: { percent: 50, message: 'beam' } }),
    `${bar(50)}  50 %  beam`,
  ],
  [
    'runs again',
    oneStage({ status: 'running', attempt: 2, progress: { percent: 0, message: null } }),
    `${NONE}   0 %  attempt 2`,
  ],
  ['is done', oneStage({ status: 'completed', duration_ms: 3456 }), `${FULL} 100 %  3.5 s`],
  [
    'failed',
    oneStage({ status: 'failed', error: { code: 'x', message: 'out of memory', stage: null } }),
    `${NONE} failed  out of memory`,
  ],
])('[CLI15] a stage that %s', (_, state, line) => {
  expect(renderBars('a.wav', state, 100)[1]).toBe(`  transcribe  ${line}`)
})

test('[CLI15] a job: name and length, stages under each other, the newest text last', () => {
  const state = live(
    { stages: [aStage('prepare', { status: 'completed' }), aStage('transcribe')], why: null },
    'one two three four five six',
  )
  expect(renderBars('a.wav', state, 24)).toEqual([
    'a.wav (1:03)',
    '  prepare     ████████…',
    '  transcribe  ░░░░░░░░…',
    '  … three four five six',
  ])
  expect(renderCompact('a.wav', live({ progress: progressOf(50, 'transcribe', 1) }), 80)).toBe(
    `${bar(50)}  50 %  a.wav  transcribe`,
  )
})

test('[CLI25] the time that is left stands beside the name, and says when it is a guess', () => {
  const eta = {
    remaining_seconds: 42,
    low_seconds: 30,
    high_seconds: 60,
    completes_at: '2026-11-20T00:00:42Z',
  }
  const first = (source: 'measured' | 'prior') =>
    renderBars(
      'a.wav',
      live({ progress: { ...progressOf(10, 'transcribe', 50), eta: { ...eta, source } } }),
      100,
    )[0]
  expect(first('measured')).toContain('about 42 s left')
  expect(first('prior')).toContain('about 42 s left (a guess)')
})

test('[CLI15] a reason that a stage gives already is not said twice', () => {
  const why = 'no agent is there'
  const alone = live({ stages: [aStage('prepare')], why })
  const both = live({ stages: [aStage('prepare', { status: 'ready', why })], why })
  expect(renderBars('a.wav', alone, 80).filter((line) => line.includes(why))).toEqual([`  ${why}`])
  expect(renderBars('a.wav', both, 80).filter((line) => line.includes(why))).toHaveLength(1)
  expect(renderLines(null, alone)).toEqual([why])
  expect(renderLines(null, both)).toEqual([`prepare: queued, ${why}`])
})

test('[CLI16] plain lines: what changed, each once', () => {
  const events: JobEvent[] = [
    snapshot(aJob({ stages: [aStage('prepare'), aStage('transcribe')] })),
    stageEvent('task.queued', aStage('prepare', { status: 'ready', why: 'no agent is there' })),
    stageEvent('task.started', aStage('prepare', { status: 'running', attempt: 1 })),
    progressEvent('prepare', 9),
    progressEvent('prepare', 31),
    progressEvent('prepare', 38),
    stageEvent('task.completed', aStage('prepare', { status: 'completed', attempt: 1, duration_ms: 1200 })),
    stageEvent('task.started', aStage('transcribe', { status: 'running', attempt: 2 })),
    partialEvent(1, 'good mor'),
    partialEvent(2, 'good morning every'),
    partialEvent(3, 'good morning everyone, \x1b[2Jhello'),
    partialEvent(4, 'good morning everyone, \x1b[2Jhello'),
    partialEvent(5, 'hello you'),
    completed(aFinishedJob()),
  ]
  let state: LiveJob | null = null
  const lines: string[] = []
  for (const event of events) {
    const next: LiveJob | null = foldEvent(state, event)
    if (next !== null) lines.push(...renderLines(state, next))
    state = next
  }
  expect(lines).toEqual([
    'prepare: queued, no agent is there',
    'prepare: running',
    'prepare: 31 %',
    'prepare: done in 1.2 s',
    'transcribe: running (attempt 2)',
    'text: good mor',
    'text: morning every',
    'text: everyone,  [2Jhello',
    'text: hello you',
    'transcribe: done in 1.2 s',
    'merge: done in 1.2 s',
  ])
})

test('[CLI17] the end: how long, how fast, and what a reader should know', () => {
  const job = aFinishedJob({
    completed_at: '2026-11-20T12:00:12.500Z',
    pipeline_warnings: [{ stage: 'transcribe', code: 'x', message: '3 s were dropped' }],
  })
  expect(renderEnd('a.wav', job)).toEqual([
    'a.wav: 1:03 of audio in 13 s, 5.0x real time',
    'a.wav: transcribe: 3 s were dropped',
  ])
  expect(renderEnd('a.wav', aJob({ status: 'cancelled' }))).toEqual(['a.wav: cancelled'])
})

test.each([
  [true, {}, true],
  [false, {}, false],
  [true, { CI: '1' }, false],
  [true, { NO_COLOR: '1' }, false],
  [true, { TERM: 'dumb' }, false],
])('[CLI18] terminal %s with %j may be drawn over: %s', (isTerminal, environment, expected) => {
  expect(mayRedraw(isTerminal, environment)).toBe(expected)
})

test('[CLI19] text from outside: no control characters, cut by columns', () => {
  expect(printable('a\x1b[2J\r\nb\u202e')).toBe('a [2J b ')
  expect([cut('abcdef', 4), cut('abc', 4), cut('日本語', 5), cutStart('abcdef', 4)]).toEqual([
    'abc…',
    'abc',
    '日本…',
    '…def',
  ])
  expect(width('日本a')).toBe(5)
  expect([0.44, 12.4, 62.5, 3723].map(duration)).toEqual(['0.4 s', '12 s', '1:03', '1:02:03'])
})

test('[CLI2] output names', () => {
  const names = (...paths: string[]) =>
    outputNames(
      paths.map((path) => ({ path, label: path, name: path.split('/').at(-1) ?? '' })),
      'txt',
    )
  expect(names('a.wav', 'b.tar.gz', 'c')).toEqual(['a.txt', 'b.tar.txt', 'c.txt'])
  expect(names('a.wav', 'a.mp3')).toEqual(['a.wav.txt', 'a.mp3.txt'])
  expect(names('x/a.wav', 'y/a.wav')).toEqual(['a.wav.txt', 'a.wav-2.txt'])
})

test('[CLI11] a table is as wide as it must be', () => {
  expect(
    renderTable(
      ['A', 'LONG'],
      [
        ['日本', 'x'],
        ['b', ''],
      ],
      'none',
    ),
  ).toBe('A     LONG\n日本  x\nb\n')
  expect(renderTable(['A'], [], 'none')).toBe('none\n')
})
