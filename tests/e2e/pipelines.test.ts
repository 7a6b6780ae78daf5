import { beforeAll, describe, expect, it } from 'vitest'
import type { JobDocument } from '#protocol/api.ts'
import { aFleet } from './kit/a-fleet.ts'
import { EVERY_STAGE } from './kit/fleet.ts'

/** The example pipelines, task for task, through server, agent and engine processes. */
const its = aFleet()
beforeAll(async () => {
  await its.fleet.box('every', { engines: EVERY_STAGE, slots: 3 })
})

const WORDS = 'well hello there my dear friend how are you all today'

function tasksOf({ stages }: JobDocument): string[] {
  return stages.map(({ stage, channel, status }) => {
    const name = channel === null ? stage : `${stage} ${channel}`
    return status === 'completed' ? name : `${name} ${status}`
  })
}

function linesOf({ segments }: JobDocument): (readonly [speaker: string | null, text: string])[] {
  return (segments ?? []).map(({ speaker, text }) => [speaker, text])
}

describe('[E2E17] the example pipelines end with the right transcript', () => {
  it('modular, with speakers: five tasks', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS, audio_seconds: 11 })
    const { id } = await fleet.submit({ engine_preference: 'modular', speaker_detection: 'diarize' })
    const job = await fleet.ended(id)
    expect(tasksOf(job)).toEqual(['prepare', 'transcribe', 'align', 'diarize', 'merge'])
    expect(job.stages.map(({ engine_id }) => engine_id)).toEqual([
      'scripted-prepare',
      'scripted-transcribe',
      'scripted-align',
      'scripted-diarize',
      'edge',
    ])
    // Four turns of 2.75 s, a word a second: the speaker changes within the sentence.
    expect(linesOf(job)).toEqual([
      ['SPEAKER_00', 'well hello there'],
      ['SPEAKER_01', 'my dear'],
      ['SPEAKER_01', 'friend'],
      ['SPEAKER_00', 'how are'],
      ['SPEAKER_01', 'you all'],
      ['SPEAKER_01', 'today'],
    ])
    expect(job.words?.map(({ text }) => text).join(' ')).toBe(WORDS)
    expect(job.result).toMatchObject({
      speaker_count: 2,
      alignment_source: 'align',
      diarization_source: 'diarize',
      granularity_achieved: 'word',
    })
    expect(job.pipeline_warnings).toEqual([])
  })

  it('an engine that covers several stages: three tasks', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS })
    const { id, stages } = await fleet.submit({ speaker_detection: 'diarize' })
    expect(stages.map(({ engine_id }) => engine_id)).toEqual(['scripted-prepare', 'scripted-all', null])
    const job = await fleet.ended(id)
    expect(tasksOf(job)).toEqual(['prepare', 'transcribe', 'merge'])
    expect(linesOf(job)).toEqual([
      ['SPEAKER_00', 'well hello there my dear'],
      ['SPEAKER_01', 'friend how are you all'],
      ['SPEAKER_00', 'today'],
    ])
    expect(job.result).toMatchObject({ speaker_count: 2, word_count: 11 })
  })

  it('each channel of a stereo recording by itself: six tasks', async () => {
    const { fleet } = its
    const words = ['the caller speaks here', 'and the agent answers']
    await fleet.script({ words, channels: 2 })
    const asked = { engine_preference: 'modular', speaker_detection: 'per_channel' } as const
    const { id } = await fleet.submit(asked, 2)
    const job = await fleet.ended(id)
    expect(tasksOf(job)).toEqual(['prepare', 'transcribe 0', 'transcribe 1', 'align 0', 'align 1', 'merge'])
    expect(job.segments).toMatchObject([
      { channel: 0, speaker: 'SPEAKER_00', text: words[0], words: [{}, {}, {}, {}] },
      { channel: 1, speaker: 'SPEAKER_01', text: words[1], words: [{}, {}, {}, {}] },
    ])
    expect(job.result).toMatchObject({ speaker_count: 2, granularity_achieved: 'word' })
  })

  it('everything, with redaction: eleven tasks, and the secret is nowhere', async () => {
    const { fleet } = its
    await fleet.script({ words: 'my name is Rosalind and all is well', secrets: ['Rosalind'] })
    const { id } = await fleet.submit({
      engine_preference: 'modular',
      speaker_detection: 'diarize',
      detect_emotions: true,
      detect_events: true,
      detect_topics: true,
      refine: true,
      pii_detection: true,
      pii_entity_types: ['name'],
      redact_pii_audio: true,
    })
    const seen: string[] = []
    for await (const live of fleet.client.follow(id)) seen.push(JSON.stringify(live))
    const job = await fleet.client.get(id)
    expect(job.status, JSON.stringify(job.error)).toBe('completed')
    expect(tasksOf(job).sort()).toEqual(
      [
        'prepare',
        'transcribe',
        'align',
        'diarize',
        'detect_emotions',
        'detect_events',
        'detect_topics',
        'refine',
        'pii_detect',
        'audio_redact',
        'merge',
      ].sort(),
    )
    expect(job.text).toContain('[NAME]')
    expect(job.segments?.[0]).toMatchObject({
      emotion: 'calm',
      events: [{ label: 'door' }],
      topics: ['greeting'],
    })
    const exports = await Promise.all(
      (['txt', 'srt', 'vtt', 'json'] as const).map((format) => fleet.client.export(id, format)),
    )
    expect([...seen, ...exports, JSON.stringify(job), fleet.server.text].join('\n')).not.toContain('Rosalind')
  })
})

describe('[E2E18] an optional stage that fails for good', () => {
  it('align is left out after its budget: a warning, and the times of the transcription', async () => {
    const { fleet } = its
    await fleet.script({ words: WORDS, on: { align: { mode: 'fail_retryable' } } })
    const { id } = await fleet.submit({ engine_preference: 'modular' })
    const job = await fleet.ended(id)
    expect(tasksOf(job)).toEqual(['prepare', 'transcribe', 'align skipped', 'merge'])
    expect(job).toMatchObject({
      status: 'completed',
      text: WORDS,
      result: {
        alignment_source: 'transcription',
        granularity_requested: 'word',
        granularity_achieved: 'segment',
      },
      pipeline_warnings: [
        { stage: 'align', status: 'skipped', fallback: 'transcription_timestamps' },
        { stage: 'merge', code: 'no_word_timestamps' },
      ],
    })
    // Its budget is two more tries.
    expect(job.stages[2]).toMatchObject({ attempt: 3, error: { code: 'scripted_failure' } })
  })
})
