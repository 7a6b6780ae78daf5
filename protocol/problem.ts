import { z } from 'zod'

/** Every error code of the API, with its HTTP status and title. The `type` URI is `/problems/<code>`. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_audio: { status: 400, title: 'The file holds no audio that can be read' },
  unauthorized: { status: 401, title: 'A valid key is needed' },
  forbidden: { status: 403, title: 'This credential may not do that' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'This method is not served here' },
  conflict: { status: 409, title: 'The present state does not allow this' },
  gone: { status: 410, title: 'No longer there' },
  length_required: { status: 411, title: 'Content-Length is needed here' },
  payload_too_large: { status: 413, title: 'Too large' },
  unsupported_media_type: { status: 415, title: 'This content type is not served here' },
  range_not_satisfiable: { status: 416, title: 'That range is outside the object' },
  model_not_found: { status: 422, title: 'No such model' },
  invalid_pipeline: { status: 422, title: 'The pipeline cannot be built like that' },
  no_capable_engine: { status: 422, title: 'No engine that runs now can do this' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  not_implemented: { status: 501, title: 'Not built yet' },
  model_queue_full: { status: 503, title: 'Too many orders wait on that agent' },
  unavailable: { status: 503, title: 'Not available at the moment' },
} as const
export type ProblemCode = keyof typeof PROBLEMS

/** What kept an engine from running a task. */
export const EngineReason = z.strictObject({
  engine_id: z.string(),
  agent_id: z.string(),
  reason: z.string(),
})
export type EngineReason = z.infer<typeof EngineReason>

/** RFC 9457, with our members. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  request_id: z.string(),
  errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
  stage: z.string().optional(),
  requirements: z.record(z.string(), z.unknown()).optional(),
  running_engines: z.array(EngineReason).optional(),
  catalog_alternatives: z
    .array(z.strictObject({ engine_id: z.string(), model_id: z.string().nullable(), command: z.string() }))
    .optional(),
})
export type Problem = z.infer<typeof Problem>
