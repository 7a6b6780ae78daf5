import { z } from 'zod'
import { EngineId, ModelId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')

/** A path inside the model's own folder. It cannot climb out: no `..`, no leading slash, no backslash. */
export const ModelFilePath = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^/\\\0:][^\\\0:]*$/, 'expected a relative path with forward slashes')
  .refine(
    (path) => path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'expected a path inside the model folder, without . or ..',
  )

/** One file of a model. What nobody checked is null, and is recorded on the machine that first pulls it. */
export const ModelFile = z.strictObject({
  path: ModelFilePath,
  /** Where it lies in the source, if not at `path`. */
  source_path: ModelFilePath.optional(),
  sha256: Sha256.nullable(),
  size_bytes: z.int().positive().nullable(),
})
export type ModelFile = z.infer<typeof ModelFile>

/** `owner/name` of a hub. */
export const RepositoryName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/, 'expected owner/name')

/** Where the files come from. */
export const ModelSource = z.discriminatedUnion('kind', [
  /** `path` is relative to the root of the installation. */
  z.strictObject({ kind: z.literal('bundled'), path: z.string().min(1) }),
  /** `revision` is a commit; null: nobody checked which one, so the newest is taken and its commit recorded. */
  z.strictObject({
    kind: z.literal('hub'),
    repository: RepositoryName,
    revision: z
      .string()
      .regex(/^[0-9a-f]{40}$/, 'expected a commit: 40 hexadecimal digits')
      .nullable(),
    /** The owner asks for an accepted licence, and so for a token. */
    gated: z.boolean().default(false),
  }),
  /** No download: the files are brought by `dalston models import`. */
  z.strictObject({ kind: z.literal('folder') }),
])
export type ModelSource = z.infer<typeof ModelSource>

/** A figure that somebody else published; never one of ours. */
const PublishedFigure = z.strictObject({
  metric: z.enum(['word_error_rate_percent', 'times_real_time', 'diarization_error_rate_percent']),
  value: z.number().min(0),
  /** On what: the data set, and for speed the machine. */
  conditions: z.string().min(1).max(300),
  source: z.string().min(1).max(300),
})

/** One file of `models/*.yaml`. Nothing in it is made up: what was not checked says `verified: false`. */
export const CatalogModel = z.strictObject({
  id: ModelId,
  name: z.string().min(1).max(200),
  description: z.string().max(1000),
  /** Other names that callers may use. */
  aliases: z.array(ModelId).max(20).default([]),
  engine: EngineId,
  runtime_model_id: z.string().min(1).max(200),
  stage: Stage,
  source: ModelSource,
  files: z.array(ModelFile).min(1).max(200),
  precision: z.enum(['fp32', 'fp16', 'int8', 'q4']).nullable().default(null),
  languages: z.array(Language).nullable(),
  capabilities: z.strictObject({
    word_timestamps: z.boolean(),
    punctuation: z.boolean(),
    capitalization: z.boolean(),
    streaming: z.boolean(),
    translation: z.boolean().default(false),
    diarization: z.boolean().default(false),
  }),
  /** Null: nobody measured it. */
  hardware: z.strictObject({
    gpu_required: z.boolean(),
    min_ram_mb: z.int().positive().nullable(),
    min_vram_mb: z.int().positive().nullable().default(null),
  }),
  published: z.array(PublishedFigure).max(20).default([]),
  license: z.string().min(1).max(100),
  /** True for the model that ships with the project and serves only when nothing else is there. */
  embedded: z.boolean(),
  /** Once installed, the one to take for its stage when the caller leaves the choice. */
  preferred: z.boolean().default(false),
  /** Revision, sizes and digests were checked against the source. */
  verified: z.boolean(),
})
export type CatalogModel = z.infer<typeof CatalogModel>
