import { describe, expect, test } from 'vitest'
import { etaOf } from '#core/eta.ts'
import type { JobSpec } from '#core/job/facts.ts'
import { expectation, learn, prior, type Speed } from '#core/speed.ts'
import { seeded } from '../kit/seeded.ts'
import { aJob } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** Speed that was measured, and when a job will be done. A job of 90 s of audio: see the builders. */
const aSpeed = (parts: Partial<Speed> = {}): Speed => ({
  count: 10,
  rtf: 0.1,
  spread: 0,
  overheadMs: 0,
  ...parts,
})

function withSpeed(spec: JobSpec, speed: Speed): JobSpec {
  return { ...spec, tasks: spec.tasks.map((task) => ({ ...task, speed })) }
}

const eta = (run: JobRun) => run.view.progress.eta

describe('speed', () => {
  test('[ETA1] a speed is learned from runs: the mean of few, the newer ones of many', () => {
    let speed: Speed | null = null
    for (const runMs of [1_000, 3_000]) speed = learn(speed, { audioSeconds: 10, runMs, overheadMs: 50 })
    expect(speed).toMatchObject({ count: 2, rtf: 0.2, overheadMs: 50 })
    for (let run = 0; run < 60; run++)
      speed = learn(speed, { audioSeconds: 10, runMs: 5_000, overheadMs: 50 })
    expect(speed?.rtf).toBeCloseTo(0.5, 2)
  })

  test('[ETA1] half of the runs end within the band of a measured speed', () => {
    const random = seeded(7)
    const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random())
    let speed: Speed | null = null
    let inside = 0
    for (let run = 0; run < 4_000; run++) {
      const runMs = 10_000 * (1 + 0.2 * normal())
      const { lowMs, highMs } = expectation('transcribe', speed, 100)
      if (run >= 1_000 && runMs >= lowMs && runMs <= highMs) inside++
      speed = learn(speed, { audioSeconds: 100, runMs, overheadMs: 0 })
    }
    expect(inside / 3_000).toBeGreaterThan(0.4)
    expect(inside / 3_000).toBeLessThan(0.6)
  })

  test('[ETA1] without a run there is a prior with a wide band, and it says so', () => {
    const { ms, lowMs, highMs, isMeasured } = expectation('transcribe', null, 100)
    expect(isMeasured).toBe(false)
    expect([lowMs, highMs]).toEqual([ms / 3, ms * 3])
    expect(prior('transcribe').count).toBe(0)
  })
})

describe('the ETA of a job', () => {
  test('[ETA2] it is the longest way through what is left: branches beside each other do not add up', () => {
    const spec = withSpeed(aJob({ speakerDetection: 'diarize' }), aSpeed())
    const run = JobRun.running(spec)
    run.finish('prepare')
    // transcribe and diarize 9 s each beside each other, then merge.
    expect(eta(run)?.remaining_seconds).toBe(18)
    run.start('diarize')
    run.finish('diarize')
    expect(eta(run)?.remaining_seconds).toBe(18)
  })

  test('[ETA2] it counts the queue and the model that has to be loaded', () => {
    const run = JobRun.running(withSpeed(aJob(), aSpeed({ overheadMs: 2_000 })))
    run.finish('prepare')
    const before = eta(run)?.remaining_seconds ?? 0
    expect(before).toBe(22)
    run.placed('transcribe', true, 'box-1: busy', 30_000)
    expect(eta(run)?.remaining_seconds).toBe(before + 30)
    run.nowMs += 10_000
    expect(eta(run)?.remaining_seconds).toBe(before + 20)
  })

  test('[ETA3] it is measured when every stage ahead was, a prior when one was not, with a band', () => {
    const run = JobRun.running(withSpeed(aJob(), aSpeed({ spread: 0.2 })))
    expect(eta(run)?.source).toBe('prior')
    run.finish('prepare')
    expect(eta(run)?.source).toBe('measured')
    const { low_seconds = 0, remaining_seconds = 0, high_seconds = 0 } = eta(run) ?? {}
    expect(low_seconds).toBeLessThan(remaining_seconds)
    expect(high_seconds).toBeGreaterThan(remaining_seconds)
    expect(eta(JobRun.running(aJob()))?.source).toBe('prior')
  })

  test('[ETA4] there is none for a job that waits for engines, nor for one that ended', () => {
    expect(eta(JobRun.created(aJob({ engines: [] })))).toBeNull()
    const run = JobRun.running()
    run.tell({ type: 'cancel' })
    expect(eta(run)).toBeNull()
  })

  test('[ETA5] at half the way the median error is at most a quarter of what is left', () => {
    const random = seeded(11)
    const errors = Array.from({ length: 200 }, () => {
      const run = JobRun.transcribing(withSpeed(aJob(), aSpeed({ spread: 0.3 })))
      const wholeMs = 9_000 * (0.5 + random())
      run.nowMs += wholeMs / 2
      run.progress('transcribe', 1, 50)
      const leftSeconds = wholeMs / 2 / 1000
      const told = etaOf(run.job, run.state.live, run.nowMs)?.remaining_seconds ?? 0
      // Merge after it is known: 0.1 of 90 s by the speed that the builder gave it.
      return Math.abs(told - 9 - leftSeconds) / leftSeconds
    }).sort((a, b) => a - b)
    expect(errors[100]).toBeLessThan(0.25)
  })

  test('[ETA6] percent weighs each stage by what it is expected to take', () => {
    const spec = aJob({ speakerDetection: 'diarize' })
    const speeds: Partial<Record<string, number>> = {
      prepare: 0.01,
      transcribe: 0.5,
      diarize: 0.4,
      merge: 0.09,
    }
    const tasks = spec.tasks.map((task) => ({ ...task, speed: aSpeed({ rtf: speeds[task.stage] ?? 0.01 }) }))
    const run = JobRun.running({ ...spec, tasks })
    run.finish('prepare')
    run.start('transcribe')
    run.finish('transcribe')
    expect(run.view.progress.overall).toBe(51)
  })
})
