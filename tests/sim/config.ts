import type { AnnouncedEngine } from '#protocol/engine.ts'
import { ModelId } from '#protocol/ids.ts'
import { type aJob, aModel, anEngine } from '../core/kit/builders.ts'
import { seeded } from '../kit/seeded.ts'

/** What a simulation begins with. Which faults come, and how often, is the scheduler's affair: a replay needs none of it. */
export interface SimConfig {
  readonly seed: number
  readonly agents: readonly AgentConfig[]
}

export interface AgentConfig {
  readonly slots: number
  readonly kind: keyof typeof KINDS
  /** Its clock's speed: 1 is right. */
  readonly rate: number
}

/** Which engines an agent hosts. */
export const KINDS = {
  all: ['prepare', 'ctc', 'diarizer', 'scrubber'],
  prepare: ['prepare'],
  transcribe: ['ctc'],
  embedded: ['prepare', 'embedded'],
} as const

export const JOB_SHAPES = [
  {},
  { speakerDetection: 'diarize' },
  { speakerDetection: 'per_channel' },
  { piiDetection: true },
  { redactPiiAudio: true, speakerDetection: 'diarize' },
  { modelId: ModelId.parse('english') },
] as const satisfies readonly Parameters<typeof aJob>[0][]

export function configOf(seed: number): SimConfig {
  const random = seeded(seed)
  const others = Math.floor(random() * 4)
  const kinds = ['all', 'prepare', 'transcribe', 'embedded'] as const
  const agent = (kind: AgentConfig['kind']): AgentConfig => ({
    slots: 1 + Math.floor(random() * 3),
    kind,
    rate: random() < 0.5 ? 1 : 0.95 + Math.floor(random() * 11) / 100,
  })
  // The first can run everything, so that each job can end.
  const rest = Array.from({ length: others }, () => agent(kinds[Math.floor(random() * 4)] ?? 'all'))
  return { seed, agents: [agent('all'), ...rest] }
}

/** What an agent of a kind announces. */
export function enginesOf(
  kind: AgentConfig['kind'],
  slots: number,
  isModelLoaded: boolean,
): AnnouncedEngine[] {
  const english = aModel('english', { loaded: isModelLoaded })
  const engines: Readonly<Record<(typeof KINDS)[keyof typeof KINDS][number], AnnouncedEngine>> = {
    prepare: anEngine({ slots, capabilities: { split_channels: true } }),
    ctc: anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, slots, models: [english] }),
    diarizer: anEngine({ id: 'diarizer', stages: ['diarize'], slots: 1 }),
    scrubber: anEngine({ id: 'scrubber', stages: ['pii_detect', 'audio_redact'], slots: 1 }),
    embedded: anEngine({
      id: 'embedded',
      stages: ['transcribe'],
      needsModel: true,
      slots,
      models: [aModel('embedded-en', { embedded: true, loaded: true })],
    }),
  }
  return KINDS[kind].map((id) => engines[id])
}
