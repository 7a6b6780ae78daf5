import { ModelOrders } from '#agent/models/orders.ts'
import type { ServerMessage } from '#protocol/agent-messages.ts'
import { ModelId, newId, OperationId } from '#protocol/ids.ts'
import type { ModelOrder, ModelProgress } from '#protocol/model-order.ts'
import { SCRIPTED_LIST } from './agents.ts'
import { aBox, aHub, anEntry, type BoxOptions, REPOSITORY, weights } from './pulls.ts'

export const MODEL = weights(100_000)
let operations = 0

export function anOrder(change: Partial<ModelOrder> = {}): Extract<ServerMessage, { type: 'model.order' }> {
  return {
    type: 'model.order',
    operation_id: OperationId.parse(newId('op', operations++, new Uint8Array(16))),
    action: 'pull',
    model_id: ModelId.parse('tiny-en'),
    entry: null,
    keep_alive_seconds: null,
    ...change,
  }
}

/** The orders of an agent with one model in reach, and one of an engine that it has not. */
export async function someOrders(options: BoxOptions = {}, nowMs: () => number = () => 0) {
  const hub = await aHub()
  hub.put(REPOSITORY, 'model.onnx', MODEL)
  const entries = [
    anEntry({ 'model.onnx': MODEL }),
    anEntry({ 'model.onnx': MODEL }, { id: 'foreign', engine: 'whisper' }),
  ]
  const box = await aBox(hub, { entries, ...options })
  const reports: ModelProgress[] = []
  const heard: ((message: ModelProgress) => void)[] = []
  const prefetched: [string, number | null][] = []
  const orders = new ModelOrders({
    models: box.models,
    engines: SCRIPTED_LIST,
    prefetch: async (modelId, seconds) => {
      prefetched.push([modelId, seconds])
      return modelId === 'tiny-en' && seconds !== 13
        ? { ok: true }
        : { ok: false, error: { code: 'out_of_memory', message: 'Too large.', retryable: true } }
    },
    report: (message) => {
      reports.push(message)
      for (const hear of heard) hear(message)
    },
    dataFolder: box.dataFolder,
    nowMs,
    log: () => {},
  })
  const states = () => reports.map(({ progress }) => progress.state)
  return { hub, box, orders, reports, heard, prefetched, states }
}
