import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { defineEngine, type EngineStage, type EngineTask, type RunContext } from '#engines/engine.ts'
import type { ListedEngine } from '#engines/list.ts'
import { EngineManifest } from '#protocol/engine.ts'
import { Script } from '#tests/kit/script.ts'
import { ENGINES as SCRIPTED } from '#tests/kit/scripted-engines.ts'
import { perform } from '#tests/kit/scripted-stages.ts'

/**
 * Engines whose transcript is what the upload says: the words travel through every file of the job, so a job that gets
 * another's artifact, or half of one, shows it. Aligner and diarizer are the scripted ones.
 */
export const Recording = z.strictObject({
  words: z.string(),
  prepare_seconds: z.number(),
  transcribe_seconds: z.number(),
})
export type Recording = z.infer<typeof Recording>

export const ENGINES: readonly ListedEngine[] = [
  echo('prepare'),
  echo('transcribe'),
  ...SCRIPTED.filter(({ manifest }) => ['scripted-align', 'scripted-diarize'].includes(manifest.id)),
]

const NO_ABILITIES = { words: false, speakers: false }

function echo(stage: 'prepare' | 'transcribe'): ListedEngine {
  const manifest = EngineManifest.parse({
    id: `echo-${stage}`,
    name: `Echo ${stage}`,
    version: '1.0.0',
    description: 'Hears what the upload says.',
    stages: [stage],
    interfaces: ['batch'],
    capabilities: {
      languages: null,
      word_timestamps: false,
      diarization: false,
      split_channels: false,
      native_streaming: false,
      max_audio_seconds: null,
    },
    needs_model: false,
    hardware: { gpu_required: false, memory_mib: 64 },
  })
  const engine = defineEngine<EngineStage, null>({
    manifest,
    load: () => Promise.resolve(null),
    async run(task, _model, context) {
      const { text, recording } = await heard(task, context)
      const script = Script.parse({ words: recording.words })
      const summary = await perform(task, task.outputFolder, script, NO_ABILITIES)
      if (task.stage === 'prepare') await writeInto(join(task.outputFolder, 'audio.s16'), `${text}\n`)
      context.report({ percent: 100, message: null })
      return summary
    },
    dispose: () => Promise.resolve(),
  })
  return { manifest, load: () => Promise.resolve(engine) }
}

/** What the file says, after as long as it says. */
async function heard(task: EngineTask<EngineStage>, context: RunContext) {
  if (task.stage !== 'prepare' && task.stage !== 'transcribe') throw new Error(`no echo for ${task.stage}`)
  const isUpload = task.stage === 'prepare'
  const text = firstLine(await readFile(isUpload ? task.inputs.upload : task.inputs.audio.path))
  const recording = Recording.parse(JSON.parse(text))
  await pass(isUpload ? recording.prepare_seconds : recording.transcribe_seconds, context)
  return { text, recording }
}

/** What stands before the first line's end: silence follows it in an audio file. */
function firstLine(bytes: Buffer): string {
  return bytes.toString('utf8', 0, bytes.indexOf('\n'))
}

async function writeInto(path: string, text: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(text, 0)
}

const STEPS = 10

async function pass(seconds: number, { report, signal }: RunContext): Promise<void> {
  for (let step = 0; step < STEPS; step++) {
    report({ percent: (100 * step) / STEPS, message: null })
    await sleep((seconds * 1000) / STEPS, undefined, { signal })
  }
}
