import { describe, expect, it } from 'vitest'
import { contentTypeOf, inputsOf, outputNames } from '#agent/stage-files.ts'
import { STAGE_ARTIFACTS } from '#engines/engine.ts'
import type { Artifact, TaskParameters } from '#protocol/task.ts'
import { PARAMETERS } from '#tests/kit/engine-runs.ts'
import { PREPARE_SUMMARY } from './kit/engines.ts'

const artifact = (name: string, key = name): Artifact => ({ name, key, size_bytes: 1, content_type: 'a/b' })
const all = (...names: string[]) => names.map((name) => artifact(name))
const split: TaskParameters = { ...PARAMETERS, split_channels: true }

describe('[A31] the inputs of a stage', () => {
  it.each([
    { stage: 'transcribe', granted: all('audio.s16', 'peaks.u8', 'speech.jsonl') },
    { stage: 'refine', granted: all('transcript.jsonl') },
    { stage: 'audio_redact', granted: all('entities.jsonl', 'audio.s16', 'transcript.jsonl') },
  ] as const)('$stage gets what it reads and nothing else', ({ stage, granted }) => {
    const inputs = inputsOf(stage, granted, null)
    const { reads, readsByChannel = [] } = STAGE_ARTIFACTS[stage]
    expect([...inputs.keys()].sort()).toEqual([...reads, ...readsByChannel].sort())
  })

  it('what may be there is taken when it is', () => {
    const inputs = inputsOf('refine', all('transcript.jsonl', 'topics.jsonl', 'turns.jsonl'), null)
    expect([...inputs.keys()]).toEqual(['transcript.jsonl', 'turns.jsonl', 'topics.jsonl'])
  })

  it('a task of one channel gets that channel under the plain names', () => {
    const granted = all('audio.s16', 'speech.jsonl', 'audio.ch0.s16', 'audio.ch1.s16', 'speech.ch1.jsonl')
    const keys = [...inputsOf('transcribe', granted, 1)].map(([name, { key }]) => [name, key])
    expect(keys).toEqual([
      ['audio.s16', 'audio.ch1.s16'],
      ['speech.jsonl', 'speech.ch1.jsonl'],
    ])
  })

  it('a stage of all channels gets one text each', () => {
    const granted = all('audio.s16', 'transcript.ch0.jsonl', 'transcript.ch1.jsonl', 'audio.ch0.s16')
    const names = [...inputsOf('detect_emotions', granted, null).keys()]
    expect(names).toEqual(['audio.s16', 'transcript.ch0.jsonl', 'transcript.ch1.jsonl'])
  })

  it('or the one for all where there is one', () => {
    const granted = all('transcript.ch0.jsonl', 'transcript.jsonl')
    expect([...inputsOf('detect_topics', granted, null).keys()]).toEqual(['transcript.jsonl'])
  })

  it('of two with one name the later is the later form of the text', () => {
    const granted = [artifact('transcript.jsonl', 'transcribe'), artifact('transcript.jsonl', 'align')]
    expect(inputsOf('pii_detect', granted, null).get('transcript.jsonl')?.key).toBe('align')
  })

  it.each([
    { stage: 'align', granted: all('audio.s16', 'speech.jsonl'), name: 'transcript.jsonl' },
    { stage: 'refine', granted: all('turns.jsonl'), name: 'transcript.jsonl' },
    { stage: 'prepare', granted: [], name: 'upload' },
  ] as const)('$stage without $name is refused', ({ stage, granted, name }) => {
    expect(() => inputsOf(stage, granted, null)).toThrow(`no input ${name}, which ${stage} reads`)
  })
})

describe('[A31] the outputs of a stage', () => {
  it('prepare owes a file for each channel that it says there is, when that was asked', () => {
    const summary = { ...PREPARE_SUMMARY, channel_count: 2 }
    expect(outputNames('prepare', PARAMETERS, summary)).toEqual(STAGE_ARTIFACTS.prepare.writes)
    expect(outputNames('prepare', split, summary).slice(3)).toEqual([
      'audio.ch0.s16',
      'speech.ch0.jsonl',
      'audio.ch1.s16',
      'speech.ch1.jsonl',
    ])
  })

  it('are told by their content', () => {
    expect(['audio.ch1.s16', 'turns.jsonl', 'peaks.u8'].map(contentTypeOf)).toEqual([
      'audio/l16;rate=16000;channels=1',
      'application/jsonl',
      'application/octet-stream',
    ])
  })
})
