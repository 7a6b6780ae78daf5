import type { JobSpec } from '#core/job/facts.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import { ModelId } from '#protocol/ids.ts'
import { AgentLabel } from '#protocol/model-order.ts'
import { aJob, aModel, anEngine, EVERY_STAGE } from '../core/kit/builders.ts'
import { seeded } from '../kit/seeded.ts'
import { MODELS } from './models.ts'
import { jobIdOf } from './names.ts'

/** What a simulation begins with. Which faults come, and how often, is the scheduler's affair: a replay needs none of it. */
export interface SimConfig {
  readonly seed: number
  readonly agents: readonly AgentConfig[]
  /** Whether a job may have the model pulled that it lacks. */
  readonly autoPull: boolean
}

export interface AgentConfig {
  readonly slots: number
  readonly kind: keyof typeof KINDS
  /** Its clock's speed: 1 is right. */
  readonly rate: number
  /** Room for models in use; an engine takes 100. Null: as much as it likes. */
  readonly memoryMib: number | null
}

/** Which engines an agent hosts. */
const KINDS = {
  all: EVERY_STAGE.map(({ manifest }) => manifest.id),
  prepare: ['prepare'],
  transcribe: ['ctc'],
  embedded: ['prepare', 'embedded'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** An agent that is away for a while is waited for; a job without this fails when its engines have gone. */
const PATIENT = { unavailable: { behavior: 'wait', waitMs: 3_600_000 } } as const

/** What jobs ask for. */
export const JOB_SHAPES = [
  PATIENT,
  { speakerDetection: 'diarize', ...PATIENT },
  { speakerDetection: 'per_channel', ...PATIENT },
  { piiDetection: true, priority: 'high' },
  {
    redactPiiAudio: true,
    speakerDetection: 'diarize',
    enrichment: ['detect_emotions', 'refine'],
    ...PATIENT,
  },
  { models: { transcribe: ModelId.parse('english') }, priority: 'low', ...PATIENT },
  // Nothing runs when it is submitted: it waits for its engines.
  { engines: [], ...PATIENT },
  // Its model is on no disk at first: it waits for a pull, and not for long.
  { models: { transcribe: MODELS[0] }, engines: [], unavailable: { behavior: 'wait', waitMs: 400_000 } },
  { models: { transcribe: MODELS[1] }, engines: [], unavailable: { behavior: 'wait', waitMs: 150_000 } },
  {
    models: { transcribe: MODELS[2] },
    speakerDetection: 'diarize',
    engines: [],
    unavailable: { behavior: 'wait', waitMs: 700_000 },
  },
] as const satisfies readonly Parameters<typeof aJob>[0][]

/** Some agents have it. */
export const LABEL = AgentLabel.parse('gpu')

/** Three keys share the agents. */
const KEYS = 3

export function specOf(job: number, shape: number): JobSpec | null {
  const parts = JOB_SHAPES[shape]
  return parts === undefined ? null : { ...aJob({ id: jobIdOf(job), ...parts }), keyId: `key-${job % KEYS}` }
}

export function configOf(seed: number): SimConfig {
  const random = seeded(seed)
  const others = Math.floor(random() * 4)
  const kinds = ['all', 'prepare', 'transcribe', 'embedded'] as const
  const agent = (kind: AgentConfig['kind']): AgentConfig => ({
    slots: 1 + Math.floor(random() * 3),
    kind,
    rate: random() < 0.5 ? 1 : 0.95 + Math.floor(random() * 11) / 100,
    memoryMib: random() < 0.7 ? null : 100 + Math.floor(random() * 200),
  })
  // The first can run everything, so that each job can end.
  const rest = Array.from({ length: others }, () => agent(kinds[Math.floor(random() * 4)] ?? 'all'))
  const agents = [agent('all'), ...rest]
  return { seed, agents, autoPull: random() < 0.7 }
}

/** Whether an agent has the engine of the models that are pulled. */
export function canPull({ kind }: AgentConfig): boolean {
  return kind === 'all' || kind === 'transcribe'
}

/** What an agent announces: its slots for the engines that all jobs need, one for each of the others. */
export function enginesOf(
  { kind, slots }: AgentConfig,
  isModelLoaded: boolean,
  installed: readonly AnnouncedModel[],
): AnnouncedEngine[] {
  const hosted: readonly string[] = KINDS[kind]
  const engines = [
    ...EVERY_STAGE.map((engine) => ({
      ...engine,
      slots: engine.manifest.id === 'prepare' || engine.manifest.id === 'ctc' ? slots : 1,
      models: [...engine.models, ...(engine.manifest.id === 'ctc' ? installed : [])].map((model) => ({
        ...model,
        loaded: isModelLoaded,
      })),
    })),
    anEngine({ id: 'embedded', stages: ['transcribe'], needsModel: true, slots, models: [EMBEDDED] }),
  ]
  return engines.filter(({ manifest }) => hosted.includes(manifest.id))
}

const EMBEDDED = aModel('embedded-en', { embedded: true, loaded: true })
