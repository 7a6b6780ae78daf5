import {
  type AudioReference,
  type EngineStage,
  type EngineTask,
  STAGE_ARTIFACTS,
  type StageInputs,
  type Transcript,
} from '#engines/engine.ts'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import type { Stage } from '#protocol/stage.ts'
import type { RunOrder } from './host-messages.ts'
import { channelOf } from './stage-files.ts'

/** How the files of a task become the typed input of its stage. Pure. */
type Files = RunOrder['files']

const BYTES_PER_SAMPLE = 2

export function isEngineStage(stage: Stage): stage is EngineStage {
  return stage in STAGE_ARTIFACTS
}

/** The task as its engine gets it. Throws when a file that the stage reads is not among the order's. */
export function engineTask(stage: EngineStage, order: RunOrder): EngineTask<EngineStage> {
  const { files, outputFolder, parameters } = order
  const inputs = INPUTS[stage](files)
  // Stage and inputs are of one key of INPUTS, which its type ties together; a union of functions loses the tie.
  return { stage, inputs, outputFolder, parameters } as EngineTask<EngineStage>
}

const INPUTS: { readonly [S in EngineStage]: (files: Files) => StageInputs[S] } = {
  prepare: (files) => ({ upload: path(files, 'upload') }),
  transcribe: (files) => ({ audio: audio(files), speechRegions: path(files, 'speech.jsonl') }),
  align: (files) => ({
    audio: audio(files),
    speechRegions: path(files, 'speech.jsonl'),
    transcript: path(files, 'transcript.jsonl'),
  }),
  diarize: (files) => ({ audio: audio(files), speechRegions: path(files, 'speech.jsonl') }),
  detect_emotions: (files) => ({ audio: audio(files), transcripts: transcripts(files) }),
  detect_events: (files) => ({ audio: audio(files) }),
  detect_topics: (files) => ({ transcripts: transcripts(files) }),
  refine: (files) => ({
    transcripts: transcripts(files),
    turns: files['turns.jsonl']?.path ?? null,
    emotions: files['emotions.jsonl']?.path ?? null,
    events: files['events.jsonl']?.path ?? null,
    topics: files['topics.jsonl']?.path ?? null,
  }),
  pii_detect: (files) => ({ transcripts: transcripts(files) }),
  audio_redact: (files) => ({ audio: audio(files), entities: path(files, 'entities.jsonl') }),
}

function audio(files: Files): AudioReference {
  const { path, sizeBytes } = file(files, 'audio.s16')
  const samples = Math.floor(sizeBytes / BYTES_PER_SAMPLE)
  return { path, format: 's16le', start: 0, end: samples / SAMPLE_RATE_HZ }
}

/** In the order of their channels. */
function transcripts(files: Files): Transcript[] {
  const whole = files['transcript.jsonl']
  if (whole !== undefined) return [{ channel: null, path: whole.path }]
  return Object.entries(files)
    .map(([name, { path }]) => ({ channel: channelOf(name, 'transcript.jsonl'), path }))
    .filter(({ channel }) => channel !== null)
    .sort((a, b) => (a.channel ?? 0) - (b.channel ?? 0))
}

function path(files: Files, name: string): string {
  return file(files, name).path
}

function file(files: Files, name: string): Files[string] {
  const found = files[name]
  if (found === undefined)
    throw new Error(`expected an input ${name}, got ${Object.keys(files).join(', ') || 'none'}`)
  return found
}
