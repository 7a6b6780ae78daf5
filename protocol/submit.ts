import { z } from 'zod'
import { EngineId, Pool, UploadId } from './ids.ts'
import { Priority } from './job.ts'
import { Language } from './language.ts'
import { STAGES } from './stage.ts'
import { EntityType, PromptText, RedactionMode, SpeechTask, Vocabulary } from './task.ts'
import { Granularity } from './transcript.ts'

/** What a form says of one job, field by field. Form fields are text: lists and objects come as JSON. */
const flag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .default(false)
const modelName = z.string().min(1).max(200)
const speakers = z.coerce.number().int().min(1).max(32).optional()

/** Text that holds JSON, parsed into `schema`; text that is no JSON is an issue of its own. */
function json<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .max(20_000)
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: `expected JSON, got ${text.slice(0, 40)}` })
        return z.NEVER
      }
    })
    .pipe(schema)
}

/** `["email", "phone"]` or `email, phone`. */
const entityTypes = z
  .string()
  .max(10_000)
  .transform((text) =>
    text.trim().startsWith('[') ? text : JSON.stringify(text.split(',').map((type) => type.trim())),
  )
  .pipe(json(z.array(EntityType).min(1).max(100)))

/** `["Kovač", "Dalston"]` or `Kovač, Dalston`. */
const vocabulary = z
  .string()
  .max(20_000)
  .transform((text) =>
    text.trim().startsWith('[') ? text : JSON.stringify(text.split(',').map((term) => term.trim())),
  )
  .pipe(json(Vocabulary))

const StageOverride = z.strictObject({ required: z.boolean().optional() })
export const PipelineOverrides = z.strictObject({
  stages: z.partialRecord(z.enum(STAGES), StageOverride).default({}),
})

/** The form fields of `POST /v1/audio/transcriptions` besides `file` (or `upload_id`, which stands for a finished upload). */
export const CreateJobFields = z.strictObject({
  model: modelName.default('auto'),
  model_align: modelName.default('auto'),
  model_diarize: modelName.default('auto'),
  model_pii_detect: modelName.default('auto'),
  /** `auto`, `modular` (a stage each, no engine that covers several), or the id of the engine that transcribes. */
  engine_preference: EngineId.optional(),
  language: z.union([z.literal('auto'), Language]).default('auto'),
  /** `translate`: English text of speech in another language. */
  task: SpeechTask.default('transcribe'),
  prompt: PromptText.optional(),
  vocabulary: vocabulary.optional(),
  temperature: z.coerce.number().min(0).max(1).optional(),
  name: z.string().min(1).max(300).optional(),
  timestamps_granularity: Granularity.default('word'),
  speaker_detection: z.enum(['none', 'diarize', 'per_channel']).default('none'),
  num_speakers: speakers,
  min_speakers: speakers,
  max_speakers: speakers,
  detect_emotions: flag,
  detect_events: flag,
  detect_topics: flag,
  refine: flag,
  pii_detection: flag,
  pii_entity_types: entityTypes.optional(),
  redact_pii_audio: flag,
  pii_redaction_mode: RedactionMode.default('silence'),
  pipeline: json(PipelineOverrides).optional(),
  priority: Priority.default('normal'),
  /** When no engine can do it: fail at once, or wait. Without it the server's setting counts. */
  unavailable_behavior: z.enum(['fail', 'wait']).optional(),
  unavailable_wait_seconds: z.coerce.number().min(1).max(604_800).optional(),
  pool: Pool.optional(),
  upload_id: UploadId.optional(),
})
export type CreateJobFields = z.infer<typeof CreateJobFields>
