import { describe, expect, test } from 'vitest'
import { isTakingBack, NO_JOB } from '#core/job/state.ts'
import { jobMachine } from '#core/job/step.ts'
import { MAX_RETRIES } from '#protocol/stage.ts'
import { agentId, aJob, anArtifact, completed, failed, HANDED_BACK, T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** The job machine: start state → event → expected state and orders. */
const prepare = taskId('prepare')
const transcribe = taskId('transcribe')

describe('the plain life', () => {
  test('[J1] a created job is pending, its first task ready and enqueued under fence 1, its row ordered', () => {
    const run = JobRun.created()
    expect(run.view).toMatchObject({ status: 'pending', why: 'queued', progress: { overall: 0 } })
    expect(run.task('prepare')).toMatchObject({ status: 'ready', fence: 1 })
    expect(run.task('transcribe')).toMatchObject({ status: 'pending', fence: 0 })
    expect(run.orders).toEqual(['index:1', `enqueue:${prepare}:1`])
  })

  test('[J1] created twice: nothing happens', () => {
    const run = JobRun.created()
    const { seq } = run.job
    expect(run.tell({ type: 'create', spec: aJob() })).toBe('ok')
    expect(run.effects).toEqual([])
    expect(run.job.seq).toBe(seq)
  })

  test('[J2] with its first started task the job runs, and its row says so', () => {
    const run = JobRun.created()
    expect(run.start('prepare')).toBe('ok')
    expect(run.view).toMatchObject({ status: 'running', started_at: new Date(T0).toISOString() })
    expect(run.orders).toEqual([`index:${run.job.seq - 1}`])
  })

  test('[J3] a task whose inputs are there is enqueued with them; the length is known after prepare', () => {
    const run = JobRun.running()
    run.finish('prepare')
    const order = run.effects.find((effect) => effect.type === 'tracked')
    expect(order).toMatchObject({
      effect: {
        type: 'registry.enqueue',
        dispatch: {
          taskId: transcribe,
          fence: 1,
          inputs: [{ name: 'audio.s16' }],
          parameters: { audio_seconds: 90 },
        },
      },
    })
  })

  test('[J3] merge runs at the edge, and its result ends the job', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    expect(run.orders).toEqual(['merge:1'])
    expect(run.task('merge')).toMatchObject({
      status: 'running',
      runner: { engineId: 'edge', agentId: null },
    })
    expect(run.finish('merge')).toBe('accepted')
    expect(run.view).toMatchObject({
      status: 'completed',
      progress: { overall: 100 },
      result: { word_count: 2 },
    })
    expect(run.unanswered.filter((id) => !id.startsWith('index:'))).toEqual([])
  })

  test('[J4, L6] what a deleted or unknown job is told answers gone and writes nothing', () => {
    for (const type of ['cancel', 'wake'] as const) {
      const step = jobMachine().step(NO_JOB, { type }, T0)
      expect(step).toMatchObject({ reply: 'gone', changes: [], effects: [] })
    }
    expect(jobMachine().nextWakeMs(NO_JOB)).toBeNull()
  })
})

describe('fences', () => {
  const stale = [
    ['started', (run: JobRun) => run.start('transcribe', 9)],
    ['result', (run: JobRun) => run.finish('transcribe', { fence: 9 })],
    ['lost', (run: JobRun) => run.lose('transcribe', true, 9)],
  ] as const
  test.each(stale)('[J5] %s with another fence is stale and changes nothing', (_name, act) => {
    const run = JobRun.transcribing()
    const before = run.state
    expect(act(run)).toBe('stale')
    expect(run.state).toEqual(before)
    expect(run.effects).toEqual([])
  })

  test('[J5] every fence is one higher than the one before', () => {
    const run = JobRun.transcribing()
    run.lose('transcribe', false)
    expect(run.task('transcribe')).toMatchObject({ status: 'ready', fence: 2 })
    expect(run.orders).toEqual([`enqueue:${transcribe}:2`])
    expect(run.finish('transcribe', { fence: 1 })).toBe('stale')
  })

  test('[J6] a start told twice is a duplicate, not stale: stale would stop the agent that runs it', () => {
    const run = JobRun.transcribing()
    const before = run.state.job
    expect(run.start('transcribe')).toBe('duplicate')
    expect(run.state.job).toBe(before)
    run.finish('transcribe')
    expect(run.start('transcribe')).toBe('duplicate')
  })

  test('[J6] a start under the same fence by another agent is stale', () => {
    expect(JobRun.transcribing().start('transcribe', 1, agentId(2))).toBe('stale')
  })

  test('[J7] exactly one result is accepted; the same again is a duplicate', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe')).toBe('accepted')
    const { seq } = run.job
    expect(run.finish('transcribe')).toBe('duplicate')
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('duplicate')
    expect(run.job.seq).toBe(seq)
  })

  test('[J7] a failure that comes twice is counted once', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('accepted')
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('stale')
    expect(run.task('transcribe').failures).toBe(1)
  })

  test('[J8] a result of another agent than the holder is stale', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe', { agent: agentId(2) })).toBe('stale')
    expect(run.task('transcribe').status).toBe('running')
  })

  test('[J8] the holder’s result counts even when the registry no longer knows the grant', () => {
    expect(JobRun.transcribing().finish('transcribe', { granted: false })).toBe('accepted')
  })

  test('[J9] a result whose start was never heard: the registry vouches, and the job knows who ran it', () => {
    const run = JobRun.created()
    expect(run.finish('prepare', { granted: false })).toBe('stale')
    expect(run.finish('prepare', { granted: true })).toBe('accepted')
    expect(run.view).toMatchObject({
      status: 'running',
      stages: [{ status: 'completed', agent_id: agentId() }, {}, {}],
    })
  })

  test('[J10] artifacts outside the task’s own prefix, or the summary of another stage, are a failed run', () => {
    const outcome = completed(transcribe, 1)
    if (outcome.status !== 'completed') throw new Error('expected a completed outcome')
    const foreign = anArtifact('transcript.jsonl', 'jobs/job_other/transcribe/f1/transcript.jsonl')
    const outcomes = [
      { ...outcome, artifacts: [foreign] },
      { ...outcome, summary: { ...outcome.summary, stage: 'merge' as const } },
    ]
    for (const bad of outcomes) {
      const run = JobRun.transcribing()
      run.finish('transcribe', { outcome: bad as typeof outcome })
      expect(run.task('transcribe')).toMatchObject({
        status: 'ready',
        failures: 1,
        error: { code: 'invalid_result' },
        artifacts: [],
      })
    }
  })
})

describe('failures', () => {
  test('[J11] a terminal error of a required stage fails the job at once', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe', { outcome: failed(false, 'bad_audio') })
    expect(run.view).toMatchObject({
      status: 'failed',
      error: { code: 'bad_audio', stage: 'transcribe' },
      stages: [{ status: 'completed' }, { status: 'failed' }, { status: 'cancelled' }],
    })
    expect(run.unanswered.filter((id) => !id.startsWith('index:'))).toEqual([])
  })

  test('[J12] a retryable error uses the budget of the stage, then fails the job', () => {
    const run = JobRun.running()
    for (let failures = 1; failures <= MAX_RETRIES.prepare; failures++) {
      run.finish('prepare', { outcome: failed(true) })
      expect(run.task('prepare')).toMatchObject({ status: 'ready', failures })
      run.wakeAfter(60_000)
      run.start('prepare')
    }
    run.finish('prepare', { outcome: failed(true) })
    expect(run.job).toMatchObject({ status: 'failed', error: { code: 'engine_failed' } })
  })

  test('[J12] a counted failure waits; when its time is there it is enqueued under the next fence', () => {
    const run = JobRun.running()
    run.finish('prepare', { outcome: failed(true) })
    const { retryAtMs } = run.task('prepare')
    expect(retryAtMs).toBeGreaterThanOrEqual(T0)
    expect(retryAtMs).toBeLessThanOrEqual(T0 + 2_000)
    expect(run.view.stages[0]?.why).toMatch(/^is tried again at /)
    run.wakeAfter(2_000)
    expect(run.task('prepare')).toMatchObject({ fence: 2, retryAtMs: null, runner: null })
    expect(run.orders).toContain(`enqueue:${prepare}:2`)
  })

  test.each([
    ['a hand-back', (run: JobRun) => run.finish('prepare', { outcome: HANDED_BACK })],
    ['an uncounted loss', (run: JobRun) => run.lose('prepare', false)],
    ['a registry that does not know it', (run: JobRun) => run.placed('prepare', false)],
  ])('[J13] %s counts against nobody and is made good at once', (_name, act) => {
    const run = JobRun.running()
    act(run)
    expect(run.task('prepare')).toMatchObject({ status: 'ready', fence: 2, failures: 0, retryAtMs: null })
    expect(run.view.stages[0]?.attempt).toBe(0)
    expect(run.orders).toEqual([`enqueue:${prepare}:2`])
  })

  test('[J13] uncounted losses slow down, and the fiftieth ends the job', () => {
    const run = JobRun.running()
    let enqueues = 0
    for (; run.job.status === 'running' && enqueues < 100; enqueues++) {
      if (run.task('prepare').retryAtMs !== null) run.wakeAfter(60_000)
      run.lose('prepare', false)
      if (enqueues === 10) expect(run.task('prepare').retryAtMs).toBeGreaterThan(run.nowMs)
    }
    expect(enqueues).toBe(50)
    expect(run.job).toMatchObject({ status: 'failed', error: { code: 'task_lost' } })
  })

  test('[J26] a fence that the registry did not know is taken back there while no newer one is', () => {
    const run = JobRun.created()
    for (let fence = 1; fence <= 3; fence++) {
      run.placed('prepare', false)
      expect(run.orders).toEqual([`enqueue:${prepare}:${fence + 1}`])
    }
    run.placed('prepare', false)
    expect(run.task('prepare').retryAtMs).toBeGreaterThan(run.nowMs)
    expect(run.orders).toEqual([`cancel:${prepare}:4`])
  })

  test('[J14] a counted loss uses the budget', () => {
    const run = JobRun.running()
    run.lose('prepare', true)
    expect(run.task('prepare')).toMatchObject({ failures: 1, error: { code: 'task_lost' } })
  })

  test('[J15] an optional stage that fails for good is skipped: the job completes and says so', () => {
    const run = JobRun.transcribing(aJob({ speakerDetection: 'diarize' }))
    run.start('diarize')
    run.finish('diarize', { outcome: failed(false, 'no_voices') })
    expect(run.task('diarize').status).toBe('skipped')
    run.finish('transcribe')
    run.finish('merge')
    expect(run.view).toMatchObject({
      status: 'completed',
      pipeline_warnings: [{ stage: 'diarize', code: 'no_voices', message: 'diarize was skipped: it broke' }],
    })
  })

  test('[J16] branches run beside each other; the failure of one takes the other back', () => {
    const run = JobRun.running(aJob({ speakerDetection: 'diarize' }))
    run.finish('prepare')
    expect(run.orders).toEqual([`enqueue:${transcribe}:1`, `enqueue:${taskId('diarize')}:1`])
    run.start('transcribe')
    run.finish('transcribe', { outcome: failed(false) })
    expect(run.orders).toContain(`cancel:${taskId('diarize')}:1`)
    expect(run.unanswered).not.toContain(`enqueue:${taskId('diarize')}:1`)
  })
})

describe('cancel', () => {
  test.each([
    ['queued', () => JobRun.created(), [`cancel:${prepare}:1`]],
    ['running', () => JobRun.transcribing(), [`cancel:${transcribe}:1`]],
  ])('[J17] a job whose task is %s: the task is taken back, the job cancelled', (_name, start, cancels) => {
    const run = start()
    expect(run.tell({ type: 'cancel' })).toBe('ok')
    expect(run.view.status).toBe('cancelled')
    expect(run.orders).toEqual([`index:${run.job.seq}`, ...cancels])
    expect(run.unanswered.filter((id) => id.startsWith('enqueue:'))).toEqual([])
    expect(run.tell({ type: 'cancel' })).toBe('conflict')
  })

  test('[J17] what waits for its retry is cancelled without a word to the registry', () => {
    const run = JobRun.running()
    run.finish('prepare', { outcome: failed(true) })
    run.tell({ type: 'cancel' })
    expect(run.orders).toEqual([`index:${run.job.seq}`])
    expect(run.task('prepare')).toMatchObject({ status: 'cancelled', retryAtMs: null })
  })

  test('[J27] until the registry has heard that its tasks are over, a job is still taking them back', () => {
    const run = JobRun.transcribing()
    expect(isTakingBack(run.state)).toBe(false)
    run.tell({ type: 'cancel' })
    expect(isTakingBack(run.state)).toBe(true)
    run.tell({ type: 'effect.answered', id: `cancel:${transcribe}:1` })
    expect(isTakingBack(run.state)).toBe(false)
  })

  test('[J17] a merge under way is forgotten, and its result is stale', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    run.tell({ type: 'cancel' })
    expect(run.unanswered.some((id) => id.startsWith('merge:'))).toBe(false)
    expect(run.finish('merge')).toBe('stale')
    expect(run.job.status).toBe('cancelled')
  })

  test('[J18] after its end nothing changes a job', () => {
    const run = JobRun.transcribing()
    run.tell({ type: 'cancel' })
    const { job } = run.state
    expect([run.start('transcribe'), run.finish('transcribe'), run.lose('transcribe', true)]).toEqual([
      'stale',
      'stale',
      'stale',
    ])
    expect(run.placed('transcribe', false)).toBe('stale')
    run.wakeAfter(3_600_000)
    expect(run.state.job).toBe(job)
  })
})

describe('the registry’s word', () => {
  test('[J19] a dispatched task that nobody spoke of for 60 s is asked after, again and again', () => {
    const run = JobRun.transcribing()
    for (const id of run.unanswered) run.tell({ type: 'effect.answered', id })
    run.nowMs = T0 + 59_999
    run.wakeAfter(0)
    expect(run.orders).toEqual([])
    expect(run.nextWakeMs).toBe(T0 + 60_000)
    run.wakeAfter(1)
    expect(run.orders).toEqual([`registry.inquire:${transcribe}:1`])
    expect(run.nextWakeMs).toBe(T0 + 120_000)
  })

  test('[J19] merge is nobody’s but the edge’s: it is not asked after', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    run.wakeAfter(60_000)
    expect(run.orders.filter((order) => order.startsWith('registry.inquire'))).toEqual([])
  })

  test('[J20] a known task goes on, and its reason for waiting is shown', () => {
    const run = JobRun.created()
    expect(run.placed('prepare', true, 'waits for a free engine')).toBe('ok')
    expect(run.view).toMatchObject({
      why: 'waits for a free engine',
      stages: [{ why: 'waits for a free engine' }, {}, {}],
    })
    expect(run.task('prepare').fence).toBe(1)
  })

  test.each([
    ['a start', (run: JobRun) => run.start('prepare')],
    ['a loss', (run: JobRun) => run.lose('prepare', false)],
    ['a place', (run: JobRun) => run.placed('prepare', true)],
    ['a result', (run: JobRun) => run.finish('prepare', { granted: true })],
  ])('[J21] %s proves that the enqueue arrived: it is not sent again', (_name, act) => {
    const run = JobRun.created()
    expect(run.unanswered).toContain(`enqueue:${prepare}:1`)
    act(run)
    expect(run.unanswered).not.toContain(`enqueue:${prepare}:1`)
  })
})

describe('progress', () => {
  test('[J22] values are published without an id, and nothing but the percentage is saved', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 1, 50, 'hello')
    expect(run.effects).toMatchObject([
      { seq: null, event: { type: 'task.progress', stage: 'transcribe', progress: { overall: 54 } } },
      { seq: null, event: { type: 'transcript.partial', partial: { text: 'hello', task_id: transcribe } } },
    ])
  })

  test('[J22] an n that was seen is a duplicate; a lower one too; with another fence it is stale', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 5, 50)
    expect(run.progress('transcribe', 5, 60)).toBe('duplicate')
    expect(run.progress('transcribe', 4, 60)).toBe('duplicate')
    expect(run.view.progress.current_stage_progress).toBe(50)
    run.lose('transcribe', false)
    expect(run.progress('transcribe', 6, 60)).toBe('stale')
  })

  test('[J23] percent does not fall when an engine says less, when the stage fails, or after an eviction', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 1, 73)
    const shown = run.view.progress.overall
    run.progress('transcribe', 2, 10)
    expect(run.view.progress.overall).toBe(shown)
    run.reload()
    expect(run.view.progress.overall).toBeGreaterThanOrEqual(shown)
    run.lose('transcribe', true)
    expect(run.view.progress.overall).toBeGreaterThanOrEqual(shown)
    expect(run.published.at(-1)?.event).toMatchObject({
      type: 'task.failed',
      progress: { overall: run.view.progress.overall },
    })
  })

  test('[J23] percent costs at most a row for each five points, and is 100 only at the end', () => {
    const run = JobRun.transcribing()
    const { written } = run.records
    for (let n = 1; n <= 1_000; n++) run.progress('transcribe', n, n / 10)
    expect(run.records.written - written).toBeLessThanOrEqual(20)
    run.finish('transcribe')
    expect(run.view.progress.overall).toBeLessThan(100)
  })

  test('[J24] with redaction asked no text leaves before it', () => {
    for (const asked of [{ piiDetection: true }, { redactPiiAudio: true }]) {
      const run = JobRun.transcribing(aJob(asked))
      run.progress('transcribe', 1, 50, 'my number is 078-05-1120')
      expect(JSON.stringify(run.effects)).not.toContain('078-05-1120')
      expect(run.state.live.partial).toBeNull()
    }
  })

  test('[J25] a stage waits and runs by its newest attempt', () => {
    const run = JobRun.running()
    run.nowMs += 10_000
    run.lose('prepare', false)
    run.nowMs += 500
    run.start('prepare')
    run.nowMs += 2_000
    run.finish('prepare')
    expect(run.view.stages[0]).toMatchObject({ wait_ms: 500, duration_ms: 2_000, attempt: 1 })
  })
})
