import type { Engine, EngineStage } from '#engines/engine.ts'
import { ENGINES as ALL, type ListedEngine } from '#engines/list.ts'
import { manifest } from '#engines/whisper/manifest.ts'

/**
 * The engines of the installation, with Whisper at one temperature: random weights never look right, and each further try
 * would be compute that no overhead shows beside. At 0 it would try again at others; next to 0 it does not.
 */
const ONE_TRY = 1e-4

export const ENGINES: readonly ListedEngine[] = [
  ...ALL.filter((one) => one.manifest.id !== manifest.id),
  { manifest, load: coolWhisper },
]

async function coolWhisper(): Promise<Engine<EngineStage, unknown>> {
  const { default: whisper } = await import('#engines/whisper/engine.ts')
  const cool: typeof whisper = {
    ...whisper,
    run: (task, model, context) =>
      whisper.run({ ...task, parameters: { ...task.parameters, temperature: ONE_TRY } }, model, context),
  }
  return cool
}
