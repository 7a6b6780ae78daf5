import { z } from 'zod'
import { Stage } from '#protocol/stage.ts'
import { StageSummary } from '#protocol/summary.ts'
import { Partial, Progress, TaskError, TaskParameters } from '#protocol/task.ts'

/** The wire between the agent and an engine child (Node IPC, JSON). Files travel by path, never by content. */
export const RunOrder = z.strictObject({
  type: z.literal('run'),
  stage: Stage,
  model: z
    .strictObject({
      id: z.string(),
      runtimeModelId: z.string(),
      folder: z.string(),
      threads: z.int().min(1),
      device: z.enum(['cpu', 'cuda', 'webgpu']),
    })
    .nullable(),
  /** By artifact name. */
  files: z.record(z.string(), z.strictObject({ path: z.string(), sizeBytes: z.int().min(0) })),
  outputFolder: z.string(),
  parameters: TaskParameters,
  /** Halved after each time that the task ran out of memory. */
  batchScale: z.number().positive().max(1),
})
export type RunOrder = z.infer<typeof RunOrder>

export const HostMessage = z.discriminatedUnion('type', [
  RunOrder,
  z.strictObject({ type: z.literal('abort'), message: z.string() }),
])
export type HostMessage = z.infer<typeof HostMessage>

export const ChildMessage = z.discriminatedUnion('type', [
  /** `id: null`: it holds no model now. */
  z.strictObject({ type: z.literal('model'), id: z.string().nullable() }),
  z.strictObject({ type: z.literal('report'), progress: Progress, partial: Partial.nullable() }),
  z.strictObject({
    type: z.literal('finished'),
    summary: StageSummary,
    loadMs: z.int().min(0),
    runMs: z.int().min(0),
  }),
  z.strictObject({ type: z.literal('failed'), error: TaskError }),
])
export type ChildMessage = z.infer<typeof ChildMessage>
