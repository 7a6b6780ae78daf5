import { z } from 'zod'
import { EngineId, ModelId } from './ids.ts'
import { Language } from './language.ts'
import { Stage } from './stage.ts'

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')

/** One file of `models/*.yaml`. Nothing in it is made up: what was not checked says `verified: false`. */
export const CatalogModel = z.strictObject({
  id: ModelId,
  name: z.string().min(1).max(200),
  description: z.string().max(1000),
  engine: EngineId,
  runtime_model_id: z.string().min(1).max(200),
  stage: Stage,
  source: z.discriminatedUnion('kind', [
    /** `path` is relative to the root of the installation. */
    z.strictObject({ kind: z.literal('bundled'), path: z.string() }),
  ]),
  files: z.array(z.strictObject({ path: z.string(), sha256: Sha256, size_bytes: z.int().positive() })).min(1),
  languages: z.array(Language).nullable(),
  capabilities: z.strictObject({
    word_timestamps: z.boolean(),
    punctuation: z.boolean(),
    capitalization: z.boolean(),
    streaming: z.boolean(),
  }),
  hardware: z.strictObject({ gpu_required: z.boolean(), min_ram_mb: z.int().positive() }),
  license: z.string().min(1).max(100),
  /** True for the model that ships with the project and serves only when nothing else is there. */
  embedded: z.boolean(),
  verified: z.boolean(),
})
export type CatalogModel = z.infer<typeof CatalogModel>
