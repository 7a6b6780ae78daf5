import { z } from 'zod'
import { Seconds } from '#protocol/audio.ts'
import { STAGES } from '#protocol/stage.ts'
import { Segment } from '#protocol/transcript.ts'

/**
 * The wire between a process engine and its program: JSON objects, one a line, ours on the program's stdin, its own on its
 * stdout. README.md tells the order. A line without `"type"` is noise of some library; one with it is one of these.
 */
export const WIRE_VERSION = 1

/** The longest line of a program, in bytes: results travel in files, so nothing needs more. */
export const MOST_LINE_BYTES = 1 << 20

const id = z.int().min(1)
const sentence = z.string().min(1)

/** The first line of every program. */
export const Hello = z.strictObject({
  type: z.literal('hello'),
  version: z.int(),
  /** For people: the program and its own version. */
  name: z.string().min(1).max(200),
  stages: z.array(z.enum(STAGES)).min(1),
  streaming: z.boolean().default(false),
})
export type Hello = z.infer<typeof Hello>

export const ProgramMessage = z.discriminatedUnion('type', [
  Hello,
  z.strictObject({ type: z.literal('loaded'), id }),
  z.strictObject({ type: z.literal('unloaded'), id }),
  z.strictObject({
    type: z.literal('progress'),
    id,
    percent: z.number().min(0).max(100).nullable(),
    message: z.string().nullable().default(null),
  }),
  z.strictObject({ type: z.literal('partial'), id, start: Seconds, end: Seconds, text: z.string() }),
  z.strictObject({ type: z.literal('warning'), id, code: sentence, message: sentence }),
  /** The files are written. `summary` has what only the program knows: see `outputs.ts`. */
  z.strictObject({
    type: z.literal('result'),
    id,
    summary: z.record(z.string(), z.unknown()).default({}),
  }),
  z.strictObject({
    type: z.literal('error'),
    /** Null: the program itself cannot go on. */
    id: id.nullable(),
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'expected a snake_case code'),
    message: sentence,
    retryable: z.boolean(),
  }),
  z.strictObject({
    type: z.literal('stream.event'),
    id,
    event: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('partial'), start: Seconds, end: Seconds, text: z.string() }),
      z.strictObject({ type: z.literal('final'), segment: Segment }),
    ]),
  }),
  z.strictObject({ type: z.literal('stream.closed'), id }),
])
export type ProgramMessage = z.infer<typeof ProgramMessage>

/** What a program says of one request of ours. */
export type Answer = Extract<ProgramMessage, { readonly id: number | null }>

/** What we tell a program; `id` is given by the link. */
export type Request =
  | {
      readonly type: 'load'
      readonly model: string
      readonly runtime_model_id: string
      readonly folder: string
      readonly threads: number
      readonly device: string
    }
  | { readonly type: 'unload'; readonly model: string }
  | {
      readonly type: 'run'
      readonly model: string | null
      readonly stage: string
      readonly inputs: Readonly<Record<string, unknown>>
      readonly output_folder: string
      readonly parameters: object
      readonly batch_scale: number
    }
  | { readonly type: 'stream.open'; readonly model: string | null; readonly language: string | null }

/** What we tell it of a request that it has. */
export type Notice =
  | { readonly type: 'cancel' }
  /** Mono s16le samples at 16 kHz: a byte range of a file. `start` is where they begin in the stream, in seconds. */
  | {
      readonly type: 'stream.push'
      readonly path: string
      readonly from_byte: number
      readonly to_byte: number
      readonly start: number
    }
  | { readonly type: 'stream.flush' }
  | { readonly type: 'stream.close' }
