import { type EngineStage, STAGE_ARTIFACTS, type StageInputs } from '#engines/engine.ts'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import type { Stage } from '#protocol/stage.ts'
import type { RunOrder } from './host-messages.ts'

/** How the files of a task become the typed input of its stage. Pure. */

const BYTES_PER_SAMPLE = 2

export function isEngineStage(stage: Stage): stage is EngineStage {
  return stage in STAGE_ARTIFACTS
}

/** Throws when a file that the stage reads is not among `files`. */
export function stageInputs(stage: EngineStage, files: RunOrder['files']): StageInputs[EngineStage] {
  switch (stage) {
    case 'prepare':
      return { upload: file(files, 'upload').path }
    case 'transcribe': {
      const audio = file(files, 'audio.s16')
      const samples = Math.floor(audio.sizeBytes / BYTES_PER_SAMPLE)
      return {
        audio: { path: audio.path, format: 's16le', start: 0, end: samples / SAMPLE_RATE_HZ },
        speechRegions: file(files, 'speech.jsonl').path,
      }
    }
  }
}

function file(files: RunOrder['files'], name: string): RunOrder['files'][string] {
  const found = files[name]
  if (found === undefined)
    throw new Error(`expected an input ${name}, got ${Object.keys(files).join(', ') || 'none'}`)
  return found
}
