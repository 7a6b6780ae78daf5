import { defineEngine, type EngineStage, STAGE_ARTIFACTS } from '#engines/engine.ts'
import type { ListedEngine } from '#engines/list.ts'
import { EngineManifest } from '#protocol/engine.ts'
import { STAGES, type Stage } from '#protocol/stage.ts'
import type { StageSummary } from '#protocol/summary.ts'
import { act, SCRIPT_VARIABLE } from './script.ts'
import { perform, wordsOf } from './scripted-stages.ts'

/**
 * A list module with an engine for every stage, for `dalston agent --engines tests/kit/scripted-engines.ts`. They run in
 * the agent's own children under the real contract, write small valid documents, and otherwise do what `script.ts` says.
 * `scripted-transcribe` has no times for words, `scripted-words` has, `scripted-all` covers align and diarize as well.
 */
export const ENVIRONMENT: readonly string[] = [SCRIPT_VARIABLE]

interface Abilities {
  readonly words?: boolean
  readonly speakers?: boolean
}

const OTHER_STAGES = STAGES.filter((stage) => stage !== 'transcribe' && stage in STAGE_ARTIFACTS)

export const ENGINES: readonly ListedEngine[] = [
  ...OTHER_STAGES.map((stage) => scripted(`scripted-${stage.replaceAll('_', '-')}`, [stage])),
  scripted('scripted-transcribe', ['transcribe']),
  scripted('scripted-words', ['transcribe'], { words: true }),
  scripted('scripted-all', ['transcribe', 'align', 'diarize'], { words: true, speakers: true }),
]

function scripted(id: string, stages: readonly Stage[], abilities: Abilities = {}): ListedEngine {
  const { words = false, speakers = false } = abilities
  const manifest = EngineManifest.parse({
    id,
    name: id,
    version: '1.0.0',
    description: 'Does what its script says.',
    stages,
    interfaces: ['batch'],
    capabilities: {
      languages: null,
      word_timestamps: words || stages.includes('align'),
      diarization: speakers || stages.includes('diarize'),
      split_channels: stages.includes('prepare'),
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
      const { stage, parameters } = task
      const { script, mode } = await act(
        { engineId: manifest.id, stage, channel: parameters.channel },
        context,
      )
      if (mode === 'lie') return anotherStage(stage)
      if (task.stage === 'transcribe') {
        const text = wordsOf(script, parameters.channel).slice(0, 2000)
        const { end } = task.inputs.audio
        context.report({ percent: 99, message: null }, { revision: 1, start: 0, end, text })
      }
      const outputFolder = mode === 'no_output' ? null : task.outputFolder
      const summary = await perform(task, outputFolder, script, { words, speakers })
      context.report({ percent: 100, message: null })
      return summary
    },
    dispose: () => Promise.resolve(),
  })
  return { manifest, load: () => Promise.resolve(engine) }
}

function anotherStage(stage: EngineStage): Extract<StageSummary, { stage: EngineStage }> {
  return { stage: stage === 'detect_events' ? 'detect_emotions' : 'detect_events', count: 0, warnings: [] }
}
