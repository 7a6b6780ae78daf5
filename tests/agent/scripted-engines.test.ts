import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { z } from 'zod'
import { entriesOf } from '#agent/engine-list.ts'
import { type EngineStage, STAGE_ARTIFACTS } from '#engines/engine.ts'
import { SpeechRegion } from '#protocol/audio.ts'
import { EmotionSpan, PiiEntity, SpeakerTurn, TopicSpan } from '#protocol/documents.ts'
import { STAGES } from '#protocol/stage.ts'
import type { Artifact, TaskOutcome } from '#protocol/task.ts'
import { AudioEvent, Segment } from '#protocol/transcript.ts'
import { SCRIPT_VARIABLE, type Script, writeScript } from '#tests/kit/script.ts'
import * as list from '#tests/kit/scripted-engines.ts'
import {
  aControlPlane,
  aFolder,
  aGate,
  anAgent,
  anUpload,
  lives,
  pidsOf,
  run,
  type TaskScript,
} from './kit/agents.ts'

const LIST = entriesOf(import.meta.resolve('#tests/kit/scripted-engines.ts'), list)
const DOCUMENTS: Readonly<Record<string, z.ZodType>> = {
  'speech.jsonl': SpeechRegion,
  'transcript.jsonl': Segment,
  'turns.jsonl': SpeakerTurn,
  'emotions.jsonl': EmotionSpan,
  'events.jsonl': AudioEvent,
  'topics.jsonl': TopicSpan,
  'entities.jsonl': PiiEntity,
}

let path = ''
const script = (given: z.input<typeof Script>) => writeScript(path, given)
beforeEach(async () => {
  path = join(await aFolder(), 'script.json')
  vi.stubEnv(SCRIPT_VARIABLE, path)
  await script({})
})
afterEach(() => vi.unstubAllEnvs())

/** An agent with the scripted engines; `work` runs one task to its end. */
async function aBox() {
  const plane = await aControlPlane()
  const agent = await anAgent(plane, {}, LIST)
  const link = await plane.link()
  const start = (given: TaskScript & { readonly stage: EngineStage }) =>
    run(plane, link, { engineId: `scripted-${given.stage.replaceAll('_', '-')}`, ...given })
  const work = async (given: TaskScript & { readonly stage: EngineStage }): Promise<TaskOutcome> => {
    const grant = await start(given)
    const { outcome } = await link.next('task.result', ({ task_id }) => task_id === grant.task_id)
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })
    return outcome
  }
  const lines = ({ key, name }: Artifact) => {
    const text = plane.artifacts.objects.get(key)?.toString() ?? ''
    const schema = DOCUMENTS[name.replace(/\.ch\d+/, '')]
    return text.split('\n').flatMap((line) => (line === '' ? [] : [schema?.parse(JSON.parse(line))]))
  }
  return { plane, agent, link, start, work, lines }
}

function artifactsOf(outcome: TaskOutcome): readonly Artifact[] {
  if (outcome.status === 'completed') return outcome.artifacts
  throw new Error(`expected a completed task, got ${JSON.stringify(outcome)}`)
}

describe('[A1] [A31] an engine for every stage runs in the real child under the real contract', () => {
  it('a whole pipeline: each stage reads what those before it wrote, and writes valid documents', async () => {
    await script({ words: 'call me at five said Ada to all of us', secrets: ['Ada'] })
    const box = await aBox()
    const inputs: Artifact[] = [anUpload(box.plane)]
    const parameters = { redaction: { entity_types: ['name'], mode: 'silence' as const } }
    const documents = new Map<string, unknown[]>()
    for (const stage of STAGES.filter((one): one is EngineStage => one !== 'merge')) {
      const artifacts = artifactsOf(await box.work({ stage, inputs, parameters }))
      expect(artifacts.map(({ name }) => name)).toEqual(STAGE_ARTIFACTS[stage].writes)
      for (const one of artifacts) if (one.name in DOCUMENTS) documents.set(one.name, box.lines(one))
      inputs.push(...artifacts)
    }
    expect([...documents.keys()].sort()).toEqual(Object.keys(DOCUMENTS).sort())
    expect(documents.get('turns.jsonl')).toHaveLength(4)
    // The last form: aligned, refined, then redacted; offsets are of that text.
    expect(documents.get('transcript.jsonl')).toMatchObject([
      { text: 'Call me at five said.', words: [{}, {}, {}, {}, {}] },
      { text: '[NAME] to all of us.' },
    ])
    expect(documents.get('entities.jsonl')).toMatchObject([
      { type: 'name', segment_id: 1, offset: 0, length: 6 },
    ])
  })

  it('prepare writes a file a channel, transcribe reads its own, and pii_detect reads both texts', async () => {
    await script({ words: ['from the left', 'from the right'], channels: 2 })
    const box = await aBox()
    const prepared = artifactsOf(await box.work({ stage: 'prepare', parameters: { split_channels: true } }))
    const texts: Artifact[] = []
    for (const channel of [0, 1]) {
      const outcome = await box.work({ stage: 'transcribe', inputs: prepared, parameters: { channel } })
      for (const one of artifactsOf(outcome)) texts.push({ ...one, name: `transcript.ch${channel}.jsonl` })
    }
    const [both] = artifactsOf(await box.work({ stage: 'pii_detect', inputs: texts }))

    expect(prepared.map(({ name }) => name)).toContain('audio.ch1.s16')
    expect(both === undefined ? [] : box.lines(both)).toMatchObject([
      { id: 0, text: 'from the left', channel: 0 },
      { id: 1, text: 'from the right', channel: 1 },
    ])
  })

  it('one that covers several stages gives words and speakers in one task, and runs the others as well', async () => {
    const box = await aBox()
    const prepared = artifactsOf(await box.work({ stage: 'prepare' }))
    const speakers = { count: 1, min: null, max: null }
    const engineId = 'scripted-all'
    const given = { inputs: prepared, engineId, parameters: { speakers } }
    const spoken = await box.work({ ...given, stage: 'transcribe' })

    expect(spoken).toMatchObject({ summary: { speaker_count: 1, granularity_achieved: 'word' } })
    expect(artifactsOf(spoken).flatMap(box.lines)).toMatchObject([
      { speaker: 'SPEAKER_00', words: [{}, {}, {}, {}, {}] },
    ])
    expect(await box.work({ ...given, stage: 'diarize' })).toMatchObject({ summary: { speaker_count: 1 } })
  })
})

describe('what the script says', () => {
  it('[A14] crash: a retryable error, and the next task gets a fresh child', async () => {
    await script({ on: { prepare: { mode: 'crash', times: 1 } } })
    const { work, agent } = await aBox()

    expect(await work({ stage: 'prepare' })).toMatchObject({
      status: 'failed',
      error: { code: 'engine_crashed', retryable: true },
    })
    expect((await work({ stage: 'prepare' })).status).toBe('completed')
    expect(new Set(pidsOf(agent)).size).toBe(2)
  })

  it.each(['hang', 'block'] as const)('[A15] %s is killed at the run limit, retryable', async (mode) => {
    await script({ on: { prepare: { mode } } })
    const { work, agent } = await aBox()

    expect(await work({ stage: 'prepare', runLimitMs: 700 })).toMatchObject({
      error: { code: 'run_timeout', retryable: true },
    })
    expect(pidsOf(agent).map(lives)).toEqual([false])
  })

  it('[A16] a cancel frees a hung child', async () => {
    await script({ on: { prepare: { mode: 'hang' } } })
    const { start, link, agent } = await aBox()
    const grant = await start({ stage: 'prepare' })
    await link.next('task.progress')
    const startMs = performance.now()
    link.send({ type: 'task.cancel', ...grant, reason: 'the caller cancelled' })

    expect((await link.next('task.result')).outcome).toMatchObject({ error: { code: 'cancelled' } })
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(pidsOf(agent).map(lives)).toEqual([false])
  })

  it.each([
    { mode: 'fail_retryable', error: { code: 'scripted_failure', retryable: true } },
    { mode: 'fail_terminal', error: { code: 'scripted_failure', retryable: false } },
    { mode: 'lie', error: { code: 'engine_bad_output', retryable: true } },
    { mode: 'no_output', error: { code: 'engine_bad_output', retryable: true } },
  ] as const)('[A25] $mode, until it is told otherwise', async ({ mode, error }) => {
    await script({ on: { 'scripted-prepare': { mode } } })
    const { work } = await aBox()

    expect(await work({ stage: 'prepare' })).toMatchObject({ status: 'failed', error })
    await script({})
    expect((await work({ stage: 'prepare' })).status).toBe('completed')
  })

  it('[A18] progress on the way, memory held, and a gate that the test opens', async () => {
    const gate = await aGate()
    const until = gate.script.slice('hold:'.length)
    await script({ on: { prepare: { mode: 'memory', memory_mib: 32, seconds: 0.01, until } } })
    const { start, link } = await aBox()
    await start({ stage: 'prepare' })
    await link.next('task.progress')
    await gate.open()

    expect((await link.next('task.result')).outcome.status).toBe('completed')
    const percents = link.messages.all.flatMap((one) =>
      one.type === 'task.progress' ? [one.progress.percent] : [],
    )
    expect([percents[0], percents.at(-1)]).toEqual([0, 100])
  })
})
