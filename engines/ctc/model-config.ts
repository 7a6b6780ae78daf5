import { z } from 'zod'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { Language } from '#protocol/language.ts'

const Decoder = z.strictObject({
  beam_width: z.int().min(1).max(2000),
  language_model_weight: z.number().min(0).max(10),
  word_bonus: z.number().min(-20).max(20),
  /** Natural log. Tokens less likely than this in a frame start nothing. */
  token_log_prob_floor: z.number().max(0),
  /** Natural log. Prefixes this far behind the best are dropped; the default loses nothing that was seen to matter. */
  score_margin: z.number().positive().default(18),
  /** Natural log, for each letter of a caller's word. Letters that a network mistakes are a few of these behind. */
  hot_word_bonus: z.number().min(0).max(20).default(1.5),
})

/** Of the longest utterance, 30 s: what is held of it is four times as many bytes. No published model comes near. */
const MOST_OUTPUTS = 100e6

/** `config.json` of a model folder: what the network's frames and outputs mean, and how to decode them. */
export const ModelConfig = z
  .strictObject({
    sample_rate: z.literal(SAMPLE_RATE_HZ),
    /** The language that the model speaks, where it is one. */
    language: Language.nullable().default(null),
    /** From one output to the next; a whole number of samples. Memory grows by the square of how many an utterance has. */
    frame_seconds: z.number().min(0.005).max(1),
    /** The middle of the sound that the first output stands for, from the start of the input. */
    first_frame_center_seconds: z.number().min(0).max(10),
    /** How far an output looks to each side of its middle. */
    context_seconds: z.number().min(0).max(60),
    /** What each output writes, in the order of the last axis of `log_probs`. */
    tokens: z.array(z.string().min(1)).min(2).max(100_000),
    blank_index: z.int().min(0),
    /** The token between words. */
    word_delimiter: z.string().min(1),
    decoder: Decoder,
  })
  .superRefine((config, context) => {
    const samples = config.frame_seconds * SAMPLE_RATE_HZ
    if (Math.abs(samples - Math.round(samples)) > 1e-6)
      context.addIssue({
        code: 'custom',
        path: ['frame_seconds'],
        message: `expected a whole number of samples at ${SAMPLE_RATE_HZ} Hz, came ${samples}`,
      })
    const outputs = (30 / config.frame_seconds) * config.tokens.length
    if (outputs > MOST_OUTPUTS)
      context.addIssue({
        code: 'custom',
        path: ['frame_seconds'],
        message: `expected at most ${MOST_OUTPUTS} outputs in 30 s, ${config.tokens.length} tokens make ${Math.round(outputs)}`,
      })
    if (new Set(config.tokens).size !== config.tokens.length)
      context.addIssue({ code: 'custom', path: ['tokens'], message: 'expected each token once' })
    if (config.blank_index >= config.tokens.length)
      context.addIssue({
        code: 'custom',
        path: ['blank_index'],
        message: `expected the index of one of ${config.tokens.length} tokens, came ${config.blank_index}`,
      })
    if (config.tokens[config.blank_index] === config.word_delimiter)
      context.addIssue({
        code: 'custom',
        path: ['word_delimiter'],
        message: 'expected another token than the blank',
      })
    if (!config.tokens.includes(config.word_delimiter))
      context.addIssue({
        code: 'custom',
        path: ['word_delimiter'],
        message: `expected one of the tokens, came ${JSON.stringify(config.word_delimiter)}`,
      })
  })
export type ModelConfig = z.infer<typeof ModelConfig>

/** A file's JSON, or what is wrong with it. */
export function jsonOf(text: string): { value: unknown } | { problem: string } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { problem: `is no JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** The config, or one sentence that names each wrong field. */
export function parseConfig(value: unknown): { config: ModelConfig } | { problem: string } {
  const parsed = ModelConfig.safeParse(value)
  return parsed.success ? { config: parsed.data } : { problem: issuesOf(parsed.error) }
}

export function issuesOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => `${issue.path.length > 0 ? issue.path.join('.') : 'it'}: ${issue.message}`)
    .join('; ')
}
