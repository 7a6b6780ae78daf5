import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { channelName, type EngineStage, type EngineTask, type StageOutputs } from '#engines/engine.ts'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { PiiEntity } from '#protocol/documents.ts'
import type { Segment } from '#protocol/transcript.ts'
import type { Script } from './script.ts'
import {
  aligned,
  readLines,
  readTranscripts,
  redacted,
  segmentsOf,
  silence,
  speakerCount,
  turnsOf,
  writeLines,
} from './scripted-documents.ts'

/** What an engine can do besides its stage. */
interface Abilities {
  readonly words: boolean
  readonly speakers: boolean
}

/** Where documents go: into a folder, or nowhere. */
class Output {
  readonly #folder: string | null

  constructor(folder: string | null) {
    this.#folder = folder
  }

  async lines(name: string, lines: readonly object[]): Promise<void> {
    if (this.#folder !== null) await writeLines(join(this.#folder, name), lines)
  }

  async bytes(name: string, bytes: Uint8Array): Promise<void> {
    if (this.#folder !== null) await writeFile(join(this.#folder, name), bytes)
  }
}

/** Writes the documents of a stage, or with `folder: null` none of them, and sums them up. */
export async function perform(
  task: EngineTask<EngineStage>,
  folder: string | null,
  script: Script,
  has: Abilities,
): Promise<StageOutputs[EngineStage]> {
  const output = new Output(folder)
  const warnings: [] = []
  switch (task.stage) {
    case 'prepare':
      return prepare(task, output, script)
    case 'transcribe':
      return transcribe(task, output, script, has)
    case 'align': {
      const segments = await readTranscripts([{ channel: null, path: task.inputs.transcript }])
      await output.lines('transcript.jsonl', segments.map(aligned))
      const { word_count } = countsOf(segments)
      return { stage: 'align', word_count, unaligned_word_count: 0, warnings }
    }
    case 'diarize': {
      const speaker_count = speakerCount(task.parameters.speakers)
      await output.lines('turns.jsonl', turnsOf(task.inputs.audio.end, speaker_count))
      return { stage: 'diarize', speaker_count, warnings }
    }
    case 'detect_emotions': {
      const segments = await readTranscripts(task.inputs.transcripts)
      const spans = segments.map(({ start, end }) => ({ start, end, emotion: 'calm', confidence: null }))
      await output.lines('emotions.jsonl', spans)
      return { stage: 'detect_emotions', count: spans.length, warnings }
    }
    case 'detect_events': {
      const end = Math.min(0.5, task.inputs.audio.end)
      await output.lines('events.jsonl', [{ label: 'door', start: 0, end, confidence: null }])
      return { stage: 'detect_events', count: 1, warnings }
    }
    case 'detect_topics': {
      const segments = await readTranscripts(task.inputs.transcripts)
      const spans = segments.map(({ start, end }) => ({ start, end, topic: 'greeting', confidence: null }))
      await output.lines('topics.jsonl', spans)
      return { stage: 'detect_topics', count: spans.length, warnings }
    }
    case 'refine': {
      const segments = await readTranscripts(task.inputs.transcripts)
      const sentences = segments.map((segment) => ({ ...segment, text: sentence(segment.text) }))
      await output.lines('transcript.jsonl', sentences)
      return { stage: 'refine', segment_count: segments.length, warnings }
    }
    case 'pii_detect':
      return detectPii(task, output, script)
    case 'audio_redact':
      return redactAudio(task, output)
  }
}

/** What is heard in a channel, or in all of them. */
export function wordsOf({ words }: Script, channel: number | null): string {
  if (typeof words === 'string') return words
  return channel === null ? words.join(' ') : (words[channel] ?? '')
}

async function prepare(
  { parameters }: EngineTask<'prepare'>,
  output: Output,
  script: Script,
): Promise<StageOutputs['prepare']> {
  const seconds = script.audio_seconds
  const { audio, peaks } = silence(seconds)
  const channels = parameters.split_channels ? script.channels : 0
  const named = (name: string) => [
    name,
    ...Array.from({ length: channels }, (_, channel) => channelName(name, channel)),
  ]
  for (const name of named('audio.s16')) await output.bytes(name, audio)
  for (const name of named('speech.jsonl')) await output.lines(name, [{ start: 0, end: seconds }])
  await output.bytes('peaks.u8', peaks)
  return {
    stage: 'prepare',
    duration_seconds: seconds,
    source: { container: 'wav', codec: 'pcm_s16le', channels: script.channels, sample_rate_hz: 16_000 },
    loudness_dbfs: null,
    peak_dbfs: null,
    speech_seconds: seconds,
    channel_count: Math.max(1, channels),
    decoder: 'built_in',
    warnings: [],
  }
}

async function transcribe(
  { inputs, parameters }: EngineTask<'transcribe'>,
  output: Output,
  script: Script,
  has: Abilities,
): Promise<StageOutputs['transcribe']> {
  const { channel, granularity, language } = parameters
  const speakers = has.speakers && parameters.speakers !== null ? speakerCount(parameters.speakers) : 0
  const words = has.words && granularity === 'word'
  const segments = segmentsOf(wordsOf(script, channel), inputs.audio.end, { words, speakers, channel })
  await output.lines('transcript.jsonl', segments)
  return {
    stage: 'transcribe',
    language: language ?? 'en',
    language_source: language === null ? 'model' : 'requested',
    granularity_requested: granularity,
    granularity_achieved: granularity === 'word' && !has.words ? 'segment' : granularity,
    no_speech: segments.length === 0,
    ...countsOf(segments),
    speaker_count: speakers === 0 ? null : new Set(segments.map((segment) => segment.speaker)).size,
    warnings: [],
  }
}

async function detectPii(
  { inputs, parameters }: EngineTask<'pii_detect'>,
  output: Output,
  script: Script,
): Promise<StageOutputs['pii_detect']> {
  const type = parameters.redaction?.entity_types?.[0] ?? 'name'
  const segments = await readTranscripts(inputs.transcripts)
  const all = segments.map((segment) => redacted(segment, script.secrets, type))
  const entities = all.flatMap((one) => one.entities)
  const texts = all.map((one) => one.segment)
  await output.lines('transcript.jsonl', texts)
  await output.lines('entities.jsonl', entities)
  return { stage: 'pii_detect', entity_count: entities.length, warnings: [] }
}

async function redactAudio(
  { inputs, parameters }: EngineTask<'audio_redact'>,
  output: Output,
): Promise<StageOutputs['audio_redact']> {
  const audio = await readFile(inputs.audio.path)
  const entities = (await readLines(inputs.entities)).map((line) => PiiEntity.parse(line))
  const sound = parameters.redaction?.mode === 'beep' ? 0x10 : 0
  for (const { start, end } of entities) audio.fill(sound, byteAt(start), byteAt(end))
  await output.bytes('audio_redacted.s16', audio)
  const redacted_seconds = entities.reduce((sum, { start, end }) => sum + end - start, 0)
  return { stage: 'audio_redact', redacted_seconds, warnings: [] }
}

function countsOf(segments: readonly Segment[]) {
  const text = segments.map((segment) => segment.text).join(' ')
  return {
    segment_count: segments.length,
    word_count: text.split(' ').filter((word) => word !== '').length,
    character_count: text.length,
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function byteAt(seconds: number): number {
  return Math.round(seconds * SAMPLE_RATE_HZ) * 2
}
