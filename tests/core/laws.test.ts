import { describe, expect, test } from 'vitest'
import { eventsAfter } from '#core/job/events.ts'
import { fold } from '#core/job/fold.ts'
import { factsFrom } from '#core/job/load.ts'
import type { JobState } from '#core/job/state.ts'
import { foldEvent, type LiveJob } from '#protocol/events.ts'
import { isTerminal } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import { seeded } from '../kit/seeded.ts'
import { aJob, failed, HANDED_BACK, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** The laws of the machine, over seeded random walks of the job machine: every event at every time, twice, or stale. */
const WALKS = 60
const STEPS = 60
const STAGES: readonly Stage[] = ['prepare', 'transcribe', 'diarize', 'merge']

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('expected something to pick from')
  return item
}

function randomStep(run: JobRun, random: () => number): void {
  const stage = pick(random, STAGES)
  const { fence } = run.task(stage)
  const outcome = pick(random, ['completed', 'completed', failed(true), HANDED_BACK] as const)
  const steps = [
    () => run.start(stage),
    () => run.start(stage),
    () => run.finish(stage, { granted: random() < 0.5, ...(outcome === 'completed' ? {} : { outcome }) }),
    () => run.finish(stage, { fence: fence + 1 }),
    () => run.progress(stage, Math.ceil(random() * 100), random() * 100, 'text'),
    () => run.lose(stage, random() < 0.3),
    () => run.placed(stage, random() < 0.8, 'busy'),
    () => run.tell({ type: 'effect.answered', id: pick(random, [...run.unanswered, 'unknown']) }),
    () => run.wakeAfter(Math.floor(random() * 70_000)),
    () => (random() < 0.05 ? run.tell({ type: 'cancel' }) : 'ok'),
  ]
  run.nowMs += Math.floor(random() * 2_000)
  pick(random, steps)()
}

function walk(seed: number, check: (run: JobRun) => void, reloads = false): JobRun {
  const random = seeded(seed)
  const run = JobRun.created(aJob({ speakerDetection: 'diarize' }), { reloads })
  for (let step = 0; step < STEPS; step++) {
    randomStep(run, random)
    check(run)
  }
  return run
}

function eachWalk(
  check: (run: JobRun) => void,
  atEnd: (run: JobRun) => void = () => {},
  reloads = false,
): void {
  for (let seed = 1; seed <= WALKS; seed++) {
    try {
      atEnd(walk(seed, check, reloads))
    } catch (cause) {
      throw new Error(`walk with seed ${seed} failed`, { cause })
    }
  }
}

function folded(run: JobRun): JobState | null {
  return factsFrom(run.records.read()).reduce<JobState | null>(fold, null)
}

describe('law 1: state is the truth', () => {
  test('[L1] the fold of the saved log is the state, after every step', () => {
    eachWalk((run) => expect(folded(run)).toEqual(run.job))
  })

  test('[L1] a reload after any step gives the same job and the same unanswered effects', () => {
    eachWalk((run) => {
      const { job, unanswered, state } = run
      run.reload()
      expect(run.job).toEqual(job)
      expect(run.unanswered).toEqual(expect.arrayContaining(unanswered))
      if (!state.hasUnsavedAnswers) expect(run.unanswered).toEqual(unanswered)
    })
  })

  test('[L1] an answer alone costs no row; an ended job forgets all that was answered', () => {
    const run = JobRun.created()
    const { written } = run.records
    run.tell({ type: 'effect.answered', id: 'index:1' })
    expect(run.records.written).toBe(written)
    run.tell({ type: 'cancel' })
    for (const id of run.unanswered) run.tell({ type: 'effect.answered', id })
    run.reload()
    expect(run.unanswered).toEqual([])
  })

  test('[L1] nextWakeMs is never null while an effect is unanswered', () => {
    eachWalk((run) => {
      if (run.unanswered.length > 0) expect(run.nextWakeMs).not.toBeNull()
      if (!isTerminal(run.job.status)) expect(run.nextWakeMs).not.toBeNull()
    })
  })

  test('[L1] a wake performs what is due and unanswered again, each time later, and after an eviction at once', () => {
    const run = JobRun.created()
    run.tell({ type: 'effect.answered', id: 'index:1' })
    const waits: number[] = []
    for (let round = 0; round < 6; round++) {
      const dueMs = run.nextWakeMs ?? 0
      waits.push(dueMs - run.nowMs)
      const { written } = run.records
      run.wakeAfter(dueMs - run.nowMs)
      expect(run.orders).toContain(`enqueue:${taskId('prepare')}:1`)
      expect(run.records.written, 'a repeated effect costs no row').toBe(written)
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    run.reload()
    expect(run.nextWakeMs).toBe(run.nowMs)
  })

  test('[L1] an answered effect is not performed again; an unknown answer changes nothing', () => {
    const run = JobRun.created()
    for (const id of [...run.unanswered, 'unknown']) run.tell({ type: 'effect.answered', id })
    run.wakeAfter(30_000)
    expect(run.orders).toEqual([])
  })
})

describe('law 2: every event may come twice, late, or out of order', () => {
  test('[L2] a job evicted after every step ends like one that was not', () => {
    for (let seed = 1; seed <= WALKS; seed++) {
      const facts = [false, true].map((reloads) => {
        const run = new JobRun({ reloads })
        run.tell({ type: 'create', spec: aJob() })
        const random = seeded(seed)
        for (const stage of ['prepare', 'transcribe', 'merge'] as const) {
          run.start(stage)
          run.progress(stage, 1, Math.floor(random() * 100))
          if (random() < 0.5) run.lose(stage, false)
          run.start(stage)
          run.start(stage)
          run.finish(stage)
          run.finish(stage)
        }
        return factsFrom(run.records.read()).map(({ type, seq }) => `${seq} ${type}`)
      })
      expect(facts[1], `seed ${seed}`).toEqual(facts[0])
      expect(facts[0]?.at(-1)).toMatch(/job_completed$/)
    }
  })

  test('[L2] a job ends once, with one terminal fact, the last of its log', () => {
    eachWalk(
      () => {},
      (run) => {
        const types = factsFrom(run.records.read()).map(({ type }) => type)
        const ends = types.filter((type) => type.startsWith('job_'))
        expect(ends.length).toBeLessThanOrEqual(1)
        if (isTerminal(run.job.status)) expect(types.at(-1)).toBe(ends[0])
      },
    )
  })

  test('[L2] at most one result of a task is accepted as completed', () => {
    eachWalk(
      () => {},
      (run) => {
        const completed = factsFrom(run.records.read()).filter(({ type }) => type === 'completed')
        const tasks = completed.map((fact) => ('taskId' in fact ? fact.taskId : ''))
        expect(new Set(tasks).size).toBe(tasks.length)
      },
    )
  })
})

describe('events', () => {
  test('[L7] events are published with the seq of their fact: from 1, without a gap', () => {
    eachWalk(
      () => {},
      (run) => {
        const seqs = run.published.flatMap(({ seq }) => seq ?? [])
        expect(seqs).toEqual(seqs.map((_, index) => index + 1))
        expect(run.job.seq).toBe(seqs.length)
      },
    )
  })

  test('[L7] the log alone tells the same events, and a reader that resumes anywhere ends with the same view', () => {
    eachWalk(
      () => {},
      (run) => {
        const facts = factsFrom(run.records.read())
        const told = eventsAfter(facts, 0)
        expect(told.map(({ seq, event }) => `${seq} ${event.type}`)).toEqual(
          run.published.flatMap(({ seq, event }) => (seq === null ? [] : `${seq} ${event.type}`)),
        )
        if (!isTerminal(run.job.status)) return
        const expected = JSON.stringify(withoutLive(run.view))
        for (let from = 1; from < run.job.seq; from += 7) {
          let live: LiveJob | null = { job: run.view, partial: null }
          for (const { event } of eventsAfter(facts, from)) live = foldEvent(live, event)
          expect(JSON.stringify(withoutLive(live?.job ?? run.view))).toBe(expected)
        }
      },
    )
  })

  test.each([false, true])(
    '[L8] percent never falls over any walk (evicted after each step: %s)',
    (reloads) => {
      const highest = new WeakMap<JobRun, number>()
      const check = (run: JobRun) => {
        const { overall } = run.view.progress
        expect(overall).toBeGreaterThanOrEqual(highest.get(run) ?? 0)
        highest.set(run, overall)
      }
      eachWalk(check, () => {}, reloads)
    },
  )
})

describe('law 5: the Job owns the fence, the Registry the place', () => {
  test('[L5] a fence that ended here is granted to nobody else, however late its enqueue comes again', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.enqueue()
    run.accept(1, taskId('prepare'))
    run.nowMs += 30_001
    run.wakeAfter(0)
    expect(run.orders).toEqual([`lost:${taskId('prepare')}:1`])
    run.reload()
    run.hello(2)
    run.enqueue()
    expect(run.said).toEqual([])
    expect(run.at(taskId('prepare'))).toBe('over')
    run.enqueue({ fence: 2 })
    expect(run.said).toEqual(['task.offer → 2'])
  })
})

/** What a reload forgets by design: values that live in memory only. */
function withoutLive(view: JobRun['view']): unknown {
  return { ...view, stages: view.stages.map((stage) => ({ ...stage, progress: null, why: null })) }
}
