import { z } from 'zod'
import { AgentId, ModelId, OperationId, Pool } from './ids.ts'
import { CatalogModel } from './model.ts'
import { TaskError } from './task.ts'

/** What an operator asks of the models on agents: one operation, an order to each agent that it concerns. */
export const ModelAction = z.enum(['pull', 'remove', 'pin', 'unpin', 'prefetch'])
export type ModelAction = z.infer<typeof ModelAction>

/** A label that an owner gave a box, such as `gpu` or `office`. */
export const AgentLabel = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,49}$/, 'expected a label such as gpu')
  .brand('AgentLabel')
export type AgentLabel = z.infer<typeof AgentLabel>

/** Server to agent, and again after each reconnect until a final state came back: each action may be done twice. */
export const ModelOrder = z.strictObject({
  type: z.literal('model.order'),
  operation_id: OperationId,
  action: ModelAction,
  model_id: ModelId,
  /** The entry of a model that the agent's own catalog may lack. */
  entry: CatalogModel.nullable(),
  /** For `prefetch`: how long it stays in memory without work; null is the agent's own keep-alive. */
  keep_alive_seconds: z.int().min(0).max(604_800).nullable(),
})
export type ModelOrder = z.infer<typeof ModelOrder>

/**
 * Server to agent: nobody wants the order any more. A pull ends, and what was fetched stays for the next one. An agent that says
 * how far it is all the same is told again.
 */
export const ModelCancel = z.strictObject({ type: z.literal('model.cancel'), operation_id: OperationId })
export type ModelCancel = z.infer<typeof ModelCancel>

export const OrderState = z.enum([
  'queued',
  'pulling',
  'verifying',
  'loading',
  'completed',
  'failed',
  'cancelled',
])
export type OrderState = z.infer<typeof OrderState>

/** No model has a terabyte: sums over a fleet stay whole numbers. */
const Bytes = z.int().min(0).max(1_000_000_000_000)

/** How far an order is. `bytes_total` is null until every size is known. */
export const OrderProgress = z.strictObject({
  state: OrderState,
  bytes_done: Bytes,
  bytes_total: Bytes.nullable(),
  /** Present where it failed. */
  error: TaskError.nullable(),
})
export type OrderProgress = z.infer<typeof OrderProgress>

/** Agent to server: at each change of state, and at most once a second between. */
export const ModelProgress = z.strictObject({
  type: z.literal('model.progress'),
  operation_id: OperationId,
  model_id: ModelId,
  progress: OrderProgress,
})
export type ModelProgress = z.infer<typeof ModelProgress>

/** Which agents of a pool: one, those of a label, or all. */
export const OrderTarget = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('agent'), agent_id: AgentId }),
  z.strictObject({ kind: z.literal('label'), label: AgentLabel }),
  z.strictObject({ kind: z.literal('fleet') }),
])
export type OrderTarget = z.infer<typeof OrderTarget>

/** `POST /v1/models/operations` */
export const CreateModelOperation = z.strictObject({
  action: ModelAction,
  /** A model id or an alias. */
  model: z.string().min(1).max(200),
  /** The entry of a model that is not in the server's catalog. */
  entry: CatalogModel.optional(),
  target: OrderTarget,
  pool: Pool.optional(),
  keep_alive_seconds: z.int().min(0).max(604_800).optional(),
})
export type CreateModelOperation = z.infer<typeof CreateModelOperation>

/** What an operator may send of an entry: with the rest of its order it goes to agents in one frame. */
export const MAX_ENTRY_BYTES = 60_000

/** `GET /v1/models/operations/{id}`, and each event of its stream: all agents as one, and one by one. */
export const ModelOperationView = z.strictObject({
  id: OperationId,
  action: ModelAction,
  model_id: ModelId,
  state: z.enum(['running', 'completed', 'failed', 'cancelled']),
  created_at: z.iso.datetime(),
  /** Sums over all agents; the total is null while one of them does not know its own. */
  bytes_done: z.int().min(0),
  bytes_total: z.int().min(0).nullable(),
  /** How many agents are in each state. */
  counts: z.record(OrderState, z.int().min(0)),
  /** All of them up to a hundred; of more a hundred: those that failed first, then those under way. */
  agents: z.array(
    OrderProgress.extend({
      agent_id: AgentId,
      name: z.string(),
      /** False: the order waits until the agent is back. */
      connected: z.boolean(),
    }),
  ),
})
export type ModelOperationView = z.infer<typeof ModelOperationView>
