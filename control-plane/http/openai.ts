import { ProblemError } from '../problem-error.ts'

/** The OpenAI shape of the API is reserved and not built: what asks for it is told so, and never answered in another shape. */
const OPENAI_MODELS: ReadonlySet<string> = new Set([
  'whisper-1',
  'gpt-transcribe',
  'gpt-4o-transcribe',
  'gpt-4o-mini-transcribe',
  'gpt-4o-mini-transcribe-2025-12-15',
  'gpt-4o-transcribe-diarize',
  'gpt-4o-transcribe-latest',
])
const OPENAI_FIELDS = ['response_format', 'stream', 'timestamp_granularities[]']

export function refuseOpenAiShape(form: unknown): void {
  if (typeof form !== 'object' || form === null) return
  const field = OPENAI_FIELDS.find((name) => Object.hasOwn(form, name))
  const model =
    'model' in form && typeof form.model === 'string' && OPENAI_MODELS.has(form.model) ? form.model : null
  if (field === undefined && model === null) return
  throw notBuilt(field === undefined ? `model "${model}"` : `field "${field}"`)
}

export function openAiRoute(): Promise<Response> {
  return Promise.reject(notBuilt('path /openai/v1'))
}

function notBuilt(what: string): ProblemError {
  const detail = `The ${what} belongs to the OpenAI-compatible API, which is not built yet. Use the native fields.`
  return new ProblemError('not_implemented', detail)
}
