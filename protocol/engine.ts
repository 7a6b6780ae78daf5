import { z } from 'zod'
import { EngineId, ModelId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'

/** What an engine, or one of its models, can do. `languages: null` means any language. */
export const Capabilities = z.strictObject({
  languages: z.array(Language).nullable(),
  word_timestamps: z.boolean(),
  diarization: z.boolean(),
  /** Puts speech of any language that it understands into English text. */
  translation: z.boolean().default(false),
  /** What becomes of a caller's vocabulary: nothing, words put before the text, or a bonus in the search. */
  vocabulary: z.enum(['none', 'prompt', 'boost']).default('none'),
  split_channels: z.boolean(),
  native_streaming: z.boolean(),
  max_audio_seconds: z.number().positive().nullable(),
})
export type Capabilities = z.infer<typeof Capabilities>

/** An engine as its folder declares it. `interfaces` names what is served today. */
export const EngineManifest = z.strictObject({
  id: EngineId,
  name: z.string().min(1).max(100),
  version: z.string().min(1).max(40),
  description: z.string().max(500),
  stages: z.array(Stage).min(1),
  interfaces: z.array(z.enum(['batch', 'realtime'])).min(1),
  capabilities: Capabilities,
  /** False for engines such as prepare, which run without weights. */
  needs_model: z.boolean(),
  hardware: z.strictObject({
    gpu_required: z.boolean(),
    memory_mib: z.int().positive(),
  }),
})
export type EngineManifest = z.infer<typeof EngineManifest>

/** A model that an agent can serve now. */
export const AnnouncedModel = z.strictObject({
  id: ModelId,
  runtime_model_id: z.string().min(1).max(200),
  languages: z.array(Language).nullable(),
  word_timestamps: z.boolean(),
  /** Tells speakers apart by itself. */
  diarization: z.boolean(),
  translation: z.boolean().default(false),
  /** What it takes when loaded; null where nobody measured it. */
  memory_mib: z.int().positive().nullable(),
  /** Its files on disk; null where the engine brings its own models. */
  size_bytes: z.int().min(0).nullable().default(null),
  embedded: z.boolean(),
  /** The one to take for its stage when the caller leaves the choice. */
  preferred: z.boolean().default(false),
  /** Stays on disk and in memory until it is unpinned. */
  pinned: z.boolean().default(false),
  loaded: z.boolean(),
})
export type AnnouncedModel = z.infer<typeof AnnouncedModel>

/** An engine as an agent announces it, in full, on every connect. */
export const AnnouncedEngine = z.strictObject({
  manifest: EngineManifest,
  device: z.string().min(1).max(100),
  slots: z.int().min(1).max(1024),
  models: z.array(AnnouncedModel).max(1000),
})
export type AnnouncedEngine = z.infer<typeof AnnouncedEngine>
