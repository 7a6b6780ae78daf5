import type { AgentMessage } from '#protocol/agent-messages.ts'
import { aHello, completed, failed } from '../core/kit/builders.ts'
import type { AgentProcess } from './agent-process.ts'
import type { SimEvent } from './event.ts'
import { MODELS } from './models.ts'
import { operationIdOf, taskOf } from './names.ts'

/** What a lying agent says: of any task and fence, held or not, now or long ago. */
export function lieOf(agent: AgentProcess, event: Extract<SimEvent, { do: 'lie' }>): AgentMessage {
  const { fence, n = 1 } = event
  const task_id = taskOf(event.task)
  switch (event.lie) {
    case 'result':
      return { type: 'task.result', task_id, fence, outcome: completed(task_id, fence) }
    case 'failure':
      return { type: 'task.result', task_id, fence, outcome: failed(true) }
    case 'progress':
      return {
        type: 'task.progress',
        task_id,
        fence,
        n,
        progress: { percent: n % 100, message: null },
        partial: null,
      }
    case 'start':
      return { type: 'task.started', task_id, fence }
    case 'accept':
      return { type: 'task.accept', task_id, fence }
    case 'extend':
      return { type: 'lease.extend', leases: [{ task_id, fence }] }
    case 'hello': {
      const { slots, memoryMib: memory_mib } = agent.config
      const { engines, labels } = agent
      return aHello({ slots, memory_mib, engines, labels, running: [{ task_id, fence }] })
    }
  }
}

/** The same of an order, whoever got it, and of a model that it need not be about. */
export function orderLieOf({
  operation,
  model,
  state,
}: Extract<SimEvent, { do: 'lie of order' }>): AgentMessage {
  const error =
    state === 'failed' ? { code: 'disk_full', message: 'There is no room.', retryable: false } : null
  return {
    type: 'model.progress',
    operation_id: operationIdOf(operation),
    model_id: MODELS[model] ?? MODELS[0],
    progress: { state, bytes_done: 50, bytes_total: 100, error },
  }
}
