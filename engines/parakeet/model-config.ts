import { z } from 'zod'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { Language } from '#protocol/language.ts'

/** The kinds of decoders, by the names that exports of the family have for them. */
export const MODEL_TYPES = {
  'nemo-conformer-tdt': 'tdt',
  'nemo-conformer-rnnt': 'rnnt',
  'nemo-conformer-ctc': 'ctc',
} as const
type ModelType = keyof typeof MODEL_TYPES
export type DecoderKind = (typeof MODEL_TYPES)[ModelType]

/** NeMo's `window_stride`, the same in all of its models. */
export const FEATURE_HOP_SAMPLES = 160

/**
 * `config.json` of a model folder. Others write it, so what is not named here is left alone. The defaults are those of
 * onnx-asr (`src/onnx_asr/models/nemo.py`), which reads the same folders; `languages` and `window_seconds` are our own.
 */
export const ModelConfig = z.object({
  model_type: z.enum(['nemo-conformer-tdt', 'nemo-conformer-rnnt', 'nemo-conformer-ctc']),
  /** Mel bands. */
  features_size: z.int().min(1).max(512).default(80),
  /** Feature frames to an encoder frame. */
  subsampling_factor: z.int().min(1).max(64).default(8),
  /** Beyond some tens a frame is a loop, and its tokens would fill the memory. */
  max_tokens_per_step: z.int().min(1).max(100).default(10),
  /** What the model speaks; null where nobody said. */
  languages: z.array(Language).min(1).nullable().default(null),
  /** The longest stretch that the encoder sees at once. */
  window_seconds: z.number().min(4).max(3600).optional(),
})
export type ModelConfig = z.infer<typeof ModelConfig>

export function frameSeconds(config: ModelConfig): number {
  return (config.subsampling_factor * FEATURE_HOP_SAMPLES) / SAMPLE_RATE_HZ
}

/** The config, or one sentence that names each wrong field. */
export function parseConfig(text: string): { config: ModelConfig } | { problem: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problem: `is no JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  const parsed = ModelConfig.safeParse(value)
  if (parsed.success) return { config: parsed.data }
  return {
    problem: parsed.error.issues
      .map((issue) => `${issue.path.length > 0 ? issue.path.join('.') : 'it'}: ${issue.message}`)
      .join('; '),
  }
}
