import { describe, expect, test } from 'vitest'
import type { Visit } from '#fragments/form.ts'
import { type JobVisit, jobPage, jobParts, jobTitle } from '#fragments/job.ts'
import { SEGMENTS_A_PIECE, segmentPiece, transcript } from '#fragments/transcript.ts'
import type { JobView, StageView } from '#protocol/job.ts'
import {
  AGENT_ID,
  aCompletedJob,
  aJob,
  aJobId,
  aResult,
  aSegment,
  aStage,
  at,
  NOW_MS,
} from './kit/builders.ts'
import { attributes, byId, textOf } from './kit/dom.ts'

const VISIT: Visit = { origin: 'https://dalston.test', csrfToken: 'c5f', nowMs: NOW_MS }
const JOB_VISIT: JobVisit = { ...VISIT, agents: new Map([[AGENT_ID, 'laptop']]) }
const HOSTILE = '<script>alert(1)</script>.wav'

function page(job: JobView): string {
  return jobPage({ job, partial: null }, JOB_VISIT, null).markup
}

/** The row of one stage in a job whose other facts do not matter. */
function row(given: Partial<StageView>): string {
  const id = aJobId()
  return byId(page(aJob({ id, stages: [aStage(id, given)] })), 'stage-transcribe')
}

test('[U31] the time that is left is told in round figures, and says when it is a guess', () => {
  const shown = (seconds: number, source: 'measured' | 'prior') => {
    const eta = { remaining_seconds: seconds, low_seconds: 0, high_seconds: 0, completes_at: at(0), source }
    const progress = { overall: 40, current_stage: 'transcribe', current_stage_progress: 50, eta } as const
    return textOf(byId(page(aJob({ progress })), 'job-progress'))
  }
  expect(shown(42, 'measured')).toContain('about 40 s left')
  expect(shown(44, 'prior')).toContain('about 45 s left (a guess)')
  expect(shown(190, 'measured')).toContain('about 3 min left')
})

describe('a stage', () => {
  test('[U9] waiting and running are two bars on the axis of the job', () => {
    const markup = row({ ready_at: at(-8), started_at: at(-6) })
    expect(attributes(markup, 'class').filter((name) => name.startsWith('bar-'))).toEqual([
      'bar-queue',
      'bar-run',
    ])
    // The axis spans 10 s from creation at -10 s: waiting from a fifth to two fifths, running from there to the end.
    expect(attributes(markup, 'x')).toEqual(['200.0', '400.0'])
    expect(attributes(markup, 'width')).toEqual(['200.0', '600.0'])
    expect(textOf(markup)).toContain('Waited 2.0 s Ran 6.0 s')
  })

  test('[U9] a stage that still waits has a growing waiting bar and no running bar', () => {
    const markup = row({
      status: 'ready',
      ready_at: at(-4),
      started_at: null,
      wait_ms: null,
      progress: null,
      why: 'all slots are busy',
    })
    expect(attributes(markup, 'class').filter((name) => name.startsWith('bar-'))).toEqual(['bar-queue'])
    expect(textOf(markup)).toContain('Waited 4.0 s')
    expect(textOf(markup)).toContain('all slots are busy')
  })

  test('[U9] a stage that was never ready has no bars', () => {
    expect(row({ status: 'pending', ready_at: null, started_at: null, wait_ms: null })).not.toContain('<rect')
  })

  test('[U10] shows its engine, its model and the name of its agent', () => {
    expect(textOf(row({}))).toContain('ctc · embedded-en · laptop')
  })

  test('[U10] a running stage has a progress element with its percentage, and without one when unknown', () => {
    expect(row({ progress: { percent: 52.44, message: 'window 3' } })).toContain('value="52.4"')
    expect(row({ progress: { percent: null, message: null } })).toMatch(
      /<progress aria-label="[^"]+"><\/progress>/,
    )
    expect(row({ status: 'completed', completed_at: at(-1) })).not.toContain('<progress')
  })

  test('[U10] a stage of one channel names it; a running one says why it runs where it does', () => {
    const text = textOf(row({ channel: 1, progress: { percent: 5, message: null }, why: 'model loaded' }))
    expect(text).toContain('Transcribe · channel 1')
    expect(text).toContain('model loaded')
  })

  test('[U10] [U11] a stage that was left out: word, icon, and what stands in for it', () => {
    const id = aJobId()
    const warning = { stage: 'diarize', code: 'stage_skipped', message: 'it failed twice' }
    const skipped = { status: 'skipped', fallback: 'single_speaker', timestamp: at(-1) } as const
    const stages = [aStage(id, { stage: 'diarize', status: 'skipped', completed_at: at(-1) })]
    const markup = page(aJob({ id, stages, pipeline_warnings: [{ ...warning, ...skipped }] }))
    const pill = /<span class="pill[^>]*><svg class="icon icon-skip".*?<\/svg>skipped<\/span>/
    expect(byId(markup, 'stage-diarize')).toMatch(pill)
    expect(byId(markup, 'job-head')).toMatch(pill)
    expect(textOf(byId(markup, 'job-head'))).toContain('it failed twice Instead: single speaker.')
  })

  test('[U10] a failed stage shows its error, and later attempts their number', () => {
    const error = { code: 'out_of_memory', message: 'The model needs 4 GB.', stage: 'transcribe' } as const
    const text = textOf(row({ status: 'failed', completed_at: at(-1), error, attempt: 3 }))
    expect(text).toContain('The model needs 4 GB. out_of_memory')
    expect(text).toContain('attempt 3')
  })

  test('[U11] a status is told by a word and an icon, never by colour alone', () => {
    for (const status of [
      'pending',
      'ready',
      'running',
      'completed',
      'failed',
      'skipped',
      'cancelled',
    ] as const) {
      const pill = /<span class="pill[^>]*>(<svg.*?<\/svg>)(\w+)<\/span>/.exec(row({ status }))
      expect(pill?.[2]).toBe(status === 'ready' ? 'waiting' : status)
    }
  })
})

describe('a job page', () => {
  test('[U1] escapes the file name, messages and the transcript', () => {
    const job = aCompletedJob({
      name: HOSTILE,
      segments: [aSegment({ text: '<img src=x onerror=alert(1)>', speaker: '<b>' })],
      pipeline_warnings: [{ stage: 'transcribe', code: 'x', message: '<i>loud</i>' }],
    })
    const markup = jobPage({ job, partial: null }, JOB_VISIT, transcript(job)).markup
    expect(markup).not.toMatch(/<(script|img|i|b)[ >]/)
    expect(textOf(markup)).toContain(HOSTILE)
    expect(textOf(markup)).toContain('<img src=x onerror=alert(1)>')
  })

  test('[U1] escapes text that is still coming', () => {
    const job = aJob()
    const partial = {
      task_id: aStage(job.id).task_id,
      revision: 1,
      start: 0,
      end: 2,
      text: '<script>1</script>',
    }
    expect(jobParts({ job, partial }, JOB_VISIT, null).get('transcript')?.markup).not.toContain('<script')
  })

  test('[U8] holds no inline style and no inline script', () => {
    const markup = page(aJob({ stages: [aStage(aJobId())] }))
    expect(markup).not.toMatch(/ style=| on\w+="|<script|javascript:/)
  })

  test('[U12] of a job that still moves opens the stream; a finished one does not', () => {
    const job = aJob()
    expect(page(job)).toContain(`hx-sse:connect="/ui/jobs/${job.id}/events"`)
    expect(page(aCompletedJob())).not.toContain('hx-sse')
  })

  test('shows why it waits, with commands as code', () => {
    const markup = page(aJob({ status: 'pending', why: 'No agent. Run `dalston agents token`.' }))
    expect(markup).toContain('<code>dalston agents token</code>')
  })

  test('offers cancel while it runs and delete after, each with a question and the token', () => {
    const running = page(aJob())
    expect(running).toContain('/cancel"')
    expect(running).not.toContain('/delete"')
    const done = page(aCompletedJob())
    expect(done).toContain('/delete"')
    expect(done).not.toContain('/cancel"')
    expect(done).toContain('name="csrf_token" value="c5f"')
    expect(textOf(byId(done, 'confirm-delete'))).toContain('for good?')
  })

  test('[U18] says so when the embedded model made the transcript, and only then', () => {
    const banner = 'Made by the embedded model'
    expect(textOf(page(aCompletedJob({ result: aResult({ embedded_model: true }) })))).toContain(banner)
    expect(textOf(page(aCompletedJob()))).not.toContain(banner)
  })

  test('[U14] is read aloud politely, in quarters', () => {
    const said = (overall: number) => {
      const current = { current_stage: 'transcribe', current_stage_progress: null, eta: null } as const
      const job = aJob({ progress: { overall, ...current } })
      return textOf(byId(page(job), 'announcer'))
    }
    expect(said(51)).toBe('Job running, 50 percent')
    expect(said(74)).toBe(said(51))
    expect(said(3)).toBe('Job running')
  })

  test('carries its progress in the title of its tab', () => {
    expect(jobTitle(aJob())).toBe('40 % · call.wav')
    expect(jobTitle(aCompletedJob())).toBe('call.wav')
  })

  test('gives its address as a line for the terminal', () => {
    const job = aJob()
    expect(textOf(page(job))).toContain(
      `curl -H "Authorization: Bearer $DALSTON_API_KEY" https://dalston.test/v1/audio/transcriptions/${job.id}`,
    )
  })
})

describe('a transcript', () => {
  test('shows the times of its segments and links to every export', () => {
    const job = aCompletedJob({ segments: [aSegment({ start: 61.2, speaker: 'SPEAKER_01' })] })
    const markup = transcript(job).markup
    expect(textOf(markup)).toContain('from 1:01.2 SPEAKER_01 hello there')
    for (const format of ['txt', 'srt', 'vtt', 'json'])
      expect(markup).toContain(`/jobs/${job.id}/export/${format}"`)
  })

  test('marks unsure words, but never changes the text of a segment', () => {
    const word = (text: string, confidence: number | null) => ({ text, start: 0, end: 1, confidence })
    const marked = aSegment({ text: 'hello there', words: [word('hello', 0.9), word('there', 0.2)] })
    const other = aSegment({ text: 'Hello, there.', words: [word('hello', 0.1), word('there', 0.1)] })
    const markup = transcript(aCompletedJob({ segments: [marked, other] })).markup
    expect(markup.match(/class="unsure"/g)).toHaveLength(1)
    expect(textOf(markup)).toContain('hello there')
    expect(textOf(markup)).toContain('Hello, there.')
  })

  test('of silence says that there was no speech', () => {
    const job = aCompletedJob({ segments: [], text: '', result: aResult({ no_speech: true }) })
    expect(textOf(transcript(job).markup)).toContain('No speech was found')
  })

  test('[U17] that is long comes in pieces, each once', () => {
    const segments = Array.from({ length: SEGMENTS_A_PIECE + 5 }, (_, id) =>
      aSegment({ id, text: `line ${id}.` }),
    )
    const job = aCompletedJob({ segments })
    const first = transcript(job).markup
    expect(first.match(/class="segment"/g)).toHaveLength(SEGMENTS_A_PIECE)
    expect(first).toContain(`?from=${SEGMENTS_A_PIECE}"`)
    const second = segmentPiece(job, SEGMENTS_A_PIECE).markup
    expect(second.match(/class="segment"/g)).toHaveLength(5)
    expect(second).not.toContain('?from=')
  })
})
