import type { SubmitFields } from '#client/submit-fields.ts'
import { CreateJobFields } from '#protocol/submit.ts'
import { UsageError } from './exit-codes.ts'

/**
 * The flags of `dalston transcribe` that say what is asked of a job: each is the form field of the same name, with dashes.
 * What a value may be stands in the schema alone, so that a wrong one is found before a file is opened.
 */
export const JOB_OPTIONS = {
  language: { type: 'string' },
  model: { type: 'string' },
  'model-align': { type: 'string' },
  'model-diarize': { type: 'string' },
  'model-pii-detect': { type: 'string' },
  'engine-preference': { type: 'string' },
  task: { type: 'string' },
  prompt: { type: 'string' },
  vocabulary: { type: 'string' },
  temperature: { type: 'string' },
  'timestamps-granularity': { type: 'string' },
  'speaker-detection': { type: 'string' },
  'num-speakers': { type: 'string' },
  'min-speakers': { type: 'string' },
  'max-speakers': { type: 'string' },
  'detect-emotions': { type: 'boolean' },
  'detect-events': { type: 'boolean' },
  'detect-topics': { type: 'boolean' },
  refine: { type: 'boolean' },
  'pii-detection': { type: 'boolean' },
  'pii-entity-types': { type: 'string' },
  'redact-pii-audio': { type: 'boolean' },
  'pii-redaction-mode': { type: 'string' },
  pipeline: { type: 'string' },
  priority: { type: 'string' },
  'unavailable-behavior': { type: 'string' },
  'unavailable-wait-seconds': { type: 'string' },
  pool: { type: 'string' },
} as const

export const JOB_USAGE = `  --language CODE      such as en; the model's own or a detected one where not given
  --model ID           see \`dalston models ls\`; so too --model-align, --model-diarize, --model-pii-detect
  --engine-preference ID           an engine, or modular: one for each stage
  --task WHICH         transcribe (default), or translate: English text of speech in another language
  --prompt TEXT        text that might stand before the recording: its spelling and style are kept up
  --vocabulary WORDS   names and terms that are likely to be said: Kovač,Dalston
  --temperature N      of the decoding, 0 to 1; the engine's own where not given
  --timestamps-granularity WHICH   word (default), segment or none
  --speaker-detection HOW          none (default), diarize or per_channel; with --num-speakers N,
                                   or --min-speakers N and --max-speakers N, where they are known
  --detect-emotions, --detect-events, --detect-topics, --refine
  --pii-detection [--pii-entity-types email,phone] [--redact-pii-audio [--pii-redaction-mode silence|beep]]
  --pipeline JSON      such as '{"stages":{"diarize":{"required":true}}}'
  --priority CLASS     high, normal (default) or low
  --unavailable-behavior fail|wait [--unavailable-wait-seconds N]
                       when no engine that runs can do it
  --pool NAME          the agents that may take it`

type Values = { readonly [Flag in keyof typeof JOB_OPTIONS]?: string | boolean | undefined }

/** What was given, checked. @throws UsageError that names the flag. */
export function jobFields(values: Values): SubmitFields {
  const flags: readonly string[] = Object.keys(JOB_OPTIONS)
  const given = Object.fromEntries(
    Object.entries(values).flatMap(([flag, value]) =>
      flags.includes(flag) && value !== undefined ? [[flag.replaceAll('-', '_'), String(value)]] : [],
    ),
  )
  const parsed = CreateJobFields.safeParse(given)
  if (!parsed.success) {
    const { path = [], message = 'not valid' } = parsed.error.issues[0] ?? {}
    const [field = '', ...inside] = path.map(String)
    const where = inside.length === 0 ? '' : `${inside.join('.')}: `
    const got = message.includes('got ') ? '' : `, got ${given[field]}`
    throw new UsageError(`--${field.replaceAll('_', '-')}: ${where}${message}${got}`)
  }
  // The schema's defaults are the server's to fill in: only what was given is sent.
  return Object.fromEntries(Object.entries(parsed.data).filter(([field]) => field in given))
}
