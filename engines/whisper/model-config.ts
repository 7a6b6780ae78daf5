import { z } from 'zod'

/**
 * What the engine reads of a model's JSON files. They are other people's: what is not named here may be anything, and a field
 * that has the usual value may be missing.
 */
const count = z.int().positive()
const tokenId = z.int().min(0)

export const NetworkConfig = z
  .object({
    model_type: z.literal('whisper'),
    d_model: count,
    decoder_layers: count,
    decoder_attention_heads: count,
    vocab_size: count,
    num_mel_bins: count.default(80),
    /** Frames that the encoder gives for 30 s. */
    max_source_positions: z.literal(1500).default(1500),
    /** Tokens that the decoder can hold. */
    max_target_positions: count.default(448),
    median_filter_width: count.default(7),
  })
  .refine(({ d_model, decoder_attention_heads }) => d_model % decoder_attention_heads === 0, {
    path: ['d_model'],
    message: 'expected a multiple of decoder_attention_heads',
  })
export type NetworkConfig = z.infer<typeof NetworkConfig>

export const GenerationConfig = z.object({
  decoder_start_token_id: tokenId,
  eos_token_id: z.union([tokenId, z.array(tokenId).min(1)]),
  no_timestamps_token_id: tokenId,
  /** Left out by files that are older than the field: then a vocabulary of languages decides. */
  is_multilingual: z.boolean().optional(),
  lang_to_id: z.record(z.string(), tokenId).optional(),
  task_to_id: z.record(z.string(), tokenId).optional(),
  prev_sot_token_id: tokenId.nullish(),
  suppress_tokens: z.array(z.int()).nullish(),
  begin_suppress_tokens: z.array(z.int()).nullish(),
  max_initial_timestamp_index: z.int().min(0).nullish(),
  /** [layer, head] of the cross-attention heads that follow the sound; without them there are no word times. */
  alignment_heads: z.array(z.tuple([z.int().min(0), z.int().min(0)])).nullish(),
})
export type GenerationConfig = z.infer<typeof GenerationConfig>

/** The one front end that Whisper has, in two widths. */
export const FeatureConfig = z.object({
  feature_size: count.default(80),
  sampling_rate: z.literal(16_000).default(16_000),
  n_fft: z.literal(400).default(400),
  hop_length: z.literal(160).default(160),
  chunk_length: z.literal(30).default(30),
})

/** The value, or one sentence that names each wrong field. */
export function parseFields<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): { value: z.infer<Schema> } | { problem: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problem: `is no JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data }
  return {
    problem: parsed.error.issues
      .map((issue) => `${issue.path.length > 0 ? issue.path.join('.') : 'it'}: ${issue.message}`)
      .join('; '),
  }
}
