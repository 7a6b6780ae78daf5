import { writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { DalstonProblem } from '#client/errors.ts'
import { aFleet } from './kit/a-fleet.ts'

const WORDS = 'so here is what was said'

describe('[E2E10] a server without engines', () => {
  const its = aFleet()

  it('refuses a submit at once, with the requirements and the command that helps', async () => {
    const refusal = await its.fleet.submit().catch((error: unknown) => error)
    if (!(refusal instanceof DalstonProblem)) throw new Error(`expected a refusal, got ${String(refusal)}`)
    expect(refusal.problem).toMatchObject({
      status: 422,
      code: 'no_capable_engine',
      stage: 'prepare',
      requirements: { stage: 'prepare' },
      running_engines: [],
      catalog_alternatives: [{ engine_id: 'prepare', command: expect.stringContaining('dalston agent') }],
    })
    expect(refusal.problem.detail).toContain('dalston agent')
    expect(await its.fleet.listed()).toEqual([])
  })

  it('lets a job wait when asked to, says why, and runs it when the engine appears', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS })
    const { id, stages } = await fleet.submit({ unavailable_behavior: 'wait' })
    expect(stages).toEqual([])
    const waiting = await fleet.when(id, ({ why }) => why?.includes('No agent is connected') === true)
    expect(waiting.status).toBe('pending')
    await fleet.box('late', { engines: ['scripted-prepare', 'scripted-words'] })
    expect(await fleet.ended(id)).toMatchObject({ status: 'completed', text: WORDS })
  })
})

describe('[E2E11] the limit of a wait', () => {
  const its = aFleet()

  it('ends the job as failed with no_capable_engine', async () => {
    const { id } = await its.fleet.submit({ unavailable_behavior: 'wait', unavailable_wait_seconds: 1 })
    expect(await its.fleet.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'no_capable_engine', message: expect.stringContaining('within 1 s') },
      stages: [],
    })
  })
})

describe('an engine that is there, goes, and comes back', () => {
  const its = aFleet()
  afterEach(() => its.fleet.dismiss())

  it('[E2E12] serves a submit, whose answer names engine and model of each stage', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS })
    await fleet.box('first', { engines: ['scripted-prepare', 'scripted-words', 'scripted-diarize'] })
    const created = await fleet.submit({ speaker_detection: 'diarize' })
    expect(created.stages).toEqual([
      { stage: 'prepare', engine_id: 'scripted-prepare', model_id: null },
      { stage: 'transcribe', engine_id: 'scripted-words', model_id: null },
      { stage: 'diarize', engine_id: 'scripted-diarize', model_id: null },
      { stage: 'merge', engine_id: null, model_id: null },
    ])
    expect((await fleet.ended(created.id)).status).toBe('completed')
  })

  it('[E2E13] stopped in the middle of a job it ends its task; the next task fails the job after the grace', async () => {
    const { fleet } = its
    const gate = fleet.gate('stop')
    await fleet.script({ words: WORDS, on: { prepare: { until: gate.path } } })
    const box = await fleet.box('leaving', { engines: ['scripted-prepare', 'scripted-words'] })
    const { id } = await fleet.submit({ timestamps_granularity: 'word' })
    await fleet.when(id, ({ stages }) => stages[0]?.status === 'running')
    const left = box.stop()
    await expect.poll(() => box.log).toContain('"agent.drain"')
    gate.open()
    expect(await left).toBe(0)
    const job = await fleet.ended(id)
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'no_capable_engine', stage: 'transcribe' },
    })
    expect(job.stages.map(({ stage, status }) => `${stage} ${status}`)).toEqual([
      'prepare completed',
      'transcribe failed',
      'merge cancelled',
    ])
    expect(job.error?.message).toContain('No engine that can run transcribe')
  })

  it('[E2E14] an optional stage whose engine went is left out after the grace, with a warning', async () => {
    const { fleet } = its
    const gate = fleet.gate('optional')
    await fleet.script({ words: WORDS, on: { prepare: { until: gate.path } } })
    await fleet.box('stays', { engines: ['scripted-prepare', 'scripted-words'] })
    const diarizer = await fleet.box('goes', { engines: ['scripted-diarize'] })
    const { id } = await fleet.submit({ speaker_detection: 'diarize' })
    await diarizer.stop()
    gate.open()
    const job = await fleet.ended(id)
    expect(job).toMatchObject({
      status: 'completed',
      text: WORDS,
      result: { diarization_source: 'default', speaker_count: 1 },
    })
    expect(job.pipeline_warnings).toMatchObject([{ stage: 'diarize', status: 'skipped' }])
    expect(job.stages.find(({ stage }) => stage === 'diarize')).toMatchObject({ status: 'skipped' })
  })

  it('[E2E16] one that the control plane has never heard of takes part by its manifest alone', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS })
    const listPath = fleet.path('own-list.mjs')
    writeFileSync(listPath, OWN_LIST)
    await fleet.box('helper', { engines: ['scripted-prepare'] })
    await fleet.box('owner', { engines: { listPath } })
    const { id, stages } = await fleet.submit({ language: 'cy' })
    expect(stages[1]).toMatchObject({ stage: 'transcribe', engine_id: 'house-welsh' })
    expect(await fleet.ended(id)).toMatchObject({ status: 'completed', text: 'bore da i bawb' })
  })
})

describe('an engine whose machine starts anew', () => {
  const its = aFleet({ DALSTON_OFFLINE_SECONDS: '60' })

  it('[E2E15] killed and back within the grace: what ran and what came meanwhile completes', async () => {
    const { fleet } = its
    const gate = fleet.gate('restart')
    const box = await fleet.box('restarting', { engines: ['scripted-prepare', 'scripted-words'] })
    await fleet.script({ words: WORDS, on: { transcribe: { until: gate.path } } })
    const running = await fleet.submit()
    await fleet.when(running.id, ({ stages }) => stages[1]?.status === 'running')
    await box.kill()
    const meanwhile = await fleet.submit()
    expect(meanwhile.stages).toMatchObject(running.stages)
    gate.open()
    await box.start()
    const jobs = await Promise.all([fleet.ended(running.id), fleet.ended(meanwhile.id)])
    expect(jobs.map(({ status, text }) => [status, text])).toEqual([
      ['completed', WORDS],
      ['completed', WORDS],
    ])
    expect(jobs[0].stages[1]).toMatchObject({ stage: 'transcribe', attempt: 2 })
    const later = await fleet.submit()
    expect((await fleet.ended(later.id)).status).toBe('completed')
  })
})

/** A list module as somebody else would write it: plain JavaScript that imports nothing of ours. */
const OWN_LIST = `
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
const manifest = {
  id: 'house-welsh', name: 'House Welsh', version: '0.0.1', description: 'Hears one sentence.',
  stages: ['transcribe'], interfaces: ['batch'], needs_model: false,
  capabilities: {
    languages: ['cy'], word_timestamps: true, diarization: false, split_channels: false,
    native_streaming: false, max_audio_seconds: null,
  },
  hardware: { gpu_required: false, memory_mib: 64 },
}
const text = 'bore da i bawb'
const words = text.split(' ').map((word, index) => (
  { text: word, start: index / 10, end: (index + 1) / 10, confidence: null }))
const segment = { id: 0, start: 0, end: 0.4, text, confidence: null, speaker: null, words }
const engine = {
  manifest,
  load: async () => null,
  async run(task) {
    await writeFile(join(task.outputFolder, 'transcript.jsonl'), JSON.stringify(segment) + '\\n')
    return {
      stage: 'transcribe', language: 'cy', language_source: 'requested', granularity_requested: 'word',
      granularity_achieved: 'word', no_speech: false, segment_count: 1, word_count: 4,
      character_count: text.length, speaker_count: null, warnings: [],
    }
  },
  dispose: async () => {},
}
export const ENGINES = [{ manifest, load: async () => engine }]
`
