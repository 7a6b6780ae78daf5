import { z } from 'zod'
import { Stage } from '#protocol/stage.ts'
import { StageSummary } from '#protocol/summary.ts'
import { Partial, Progress, TaskError, TaskParameters } from '#protocol/task.ts'

/**
 * The wire between the agent and an engine child (Node IPC, JSON). Files travel by path, never by content. Each request has
 * a number, and one answer with the same one.
 */
const request = z.int().min(1)

export const HostedModel = z.strictObject({
  id: z.string(),
  runtimeModelId: z.string(),
  folder: z.string(),
  threads: z.int().min(1),
  device: z.enum(['cpu', 'cuda', 'webgpu']),
})
export type HostedModel = z.infer<typeof HostedModel>

/** Of a model that is loaded; null for an engine that runs without one. One at a time. */
export const RunOrder = z.strictObject({
  type: z.literal('run'),
  request,
  stage: Stage,
  modelId: z.string().nullable(),
  /** By artifact name. */
  files: z.record(z.string(), z.strictObject({ path: z.string(), sizeBytes: z.int().min(0) })),
  outputFolder: z.string(),
  parameters: TaskParameters,
  /** Halved after each time that the task ran out of memory. */
  batchScale: z.number().positive().max(1),
})
export type RunOrder = z.infer<typeof RunOrder>

export const LoadOrder = z.strictObject({ type: z.literal('load'), request, model: HostedModel })
export const UnloadOrder = z.strictObject({ type: z.literal('unload'), request, modelId: z.string() })

export const HostMessage = z.discriminatedUnion('type', [
  LoadOrder,
  UnloadOrder,
  RunOrder,
  z.strictObject({ type: z.literal('abort'), message: z.string() }),
])
export type HostMessage = z.infer<typeof HostMessage>

const rss = z.int().min(0)

export const ChildMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('loaded'),
    request,
    loadMs: z.int().min(0),
    rssBeforeMib: rss,
    rssAfterMib: rss,
  }),
  z.strictObject({ type: z.literal('unloaded'), request, rssMib: rss }),
  z.strictObject({ type: z.literal('report'), progress: Progress, partial: Partial.nullable() }),
  z.strictObject({ type: z.literal('finished'), request, summary: StageSummary, runMs: z.int().min(0) }),
  z.strictObject({ type: z.literal('failed'), request, error: TaskError }),
])
export type ChildMessage = z.infer<typeof ChildMessage>
