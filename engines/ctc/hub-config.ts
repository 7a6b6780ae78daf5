import { z } from 'zod'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'

/**
 * `config.json`, `preprocessor_config.json` and `tokenizer_config.json` of exports of wav2vec2 and its kin in the public hub
 * layout: what is read of them. Other fields are theirs.
 */

/** Networks over raw sound with the same stack of strided convolutions in front. */
const MODEL_TYPES = [
  'wav2vec2',
  'hubert',
  'wavlm',
  'unispeech',
  'unispeech-sat',
  'wav2vec2-conformer',
  'data2vec-audio',
] as const

/** All of the family have seven layers and no kernel above ten. */
const MOST_LAYERS = 32
const MOST_KERNEL = 1000
const MOST_REACH_SAMPLES = 10 * SAMPLE_RATE_HZ

export const HubConfig = z
  .object({
    model_type: z.enum(MODEL_TYPES, `expected one of ${MODEL_TYPES.join(', ')}`),
    vocab_size: z.int().min(2).max(100_000).optional(),
    pad_token_id: z.int().min(0).nullable().optional(),
    conv_kernel: z.array(z.int().min(1).max(MOST_KERNEL)).min(1).max(MOST_LAYERS),
    conv_stride: z.array(z.int().min(1).max(MOST_KERNEL)).min(1).max(MOST_LAYERS),
    /** What the network was exported as: one of these puts out letters. */
    architectures: z
      .array(z.string())
      .nullable()
      .optional()
      .refine(
        (names) => names == null || names.length === 0 || names.some((name) => name.endsWith('ForCTC')),
        'expected a network with a CTC head (...ForCTC)',
      ),
    /** More strided layers behind the network, which would change the frames. */
    add_adapter: z
      .literal(false, 'expected false: models with an adapter behind them are not served')
      .optional(),
  })
  .refine(({ conv_kernel, conv_stride }) => conv_kernel.length === conv_stride.length, {
    path: ['conv_stride'],
    error: 'expected as many strides as kernels',
  })
  .refine((config) => convolutionGeometry(config).hop <= SAMPLE_RATE_HZ, {
    path: ['conv_stride'],
    error: 'expected frames of at most a second',
  })
  .refine((config) => convolutionGeometry(config).reach <= MOST_REACH_SAMPLES, {
    path: ['conv_kernel'],
    error: 'expected frames that hear at most ten seconds',
  })
export type HubConfig = z.infer<typeof HubConfig>

export const PreprocessorConfig = z.object({
  do_normalize: z.boolean().default(true),
  sampling_rate: z.literal(SAMPLE_RATE_HZ, `expected ${SAMPLE_RATE_HZ}`).default(SAMPLE_RATE_HZ),
})

const token = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)])

export const TokenizerConfig = z.object({
  /** One that writes sounds would give a text that nobody can read. */
  tokenizer_class: z
    .string()
    .refine((name) => !/phoneme/i.test(name), 'expected a tokenizer of letters, not of phonemes')
    .nullable()
    .optional(),
  word_delimiter_token: token.default('|'),
  pad_token: token.nullable().optional(),
  bos_token: token.nullable().optional(),
  eos_token: token.nullable().optional(),
  unk_token: token.nullable().optional(),
  /** MMS: whose adapter and vocabulary. */
  target_lang: z.string().nullable().optional(),
  /** By index. */
  added_tokens_decoder: z.record(z.string().regex(/^\d+$/, 'expected an index'), token).default({}),
})
export type TokenizerConfig = z.infer<typeof TokenizerConfig>

/** Whether a `config.json` is of a hub's layout. */
export function isHubConfig(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'model_type' in value
}

interface Convolutions {
  readonly conv_kernel: readonly number[]
  readonly conv_stride: readonly number[]
}

/** Where the frames of a stack of convolutions without padding lie: all in samples. */
export function convolutionGeometry({ conv_kernel, conv_stride }: Convolutions): {
  readonly hop: number
  readonly reach: number
} {
  let hop = 1
  let reach = 1
  for (const [layer, kernel] of conv_kernel.entries()) {
    reach += (kernel - 1) * hop
    hop *= conv_stride[layer] ?? 1
  }
  return { hop, reach }
}
