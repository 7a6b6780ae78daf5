import type { AgentMessage } from '#protocol/agent-messages.ts'
import { aHello, completed, failed } from '../core/kit/builders.ts'
import type { AgentProcess } from './agent-process.ts'
import { enginesOf } from './config.ts'
import type { SimEvent } from './event.ts'
import { taskOf } from './names.ts'

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
      const engines = enginesOf(agent.config, agent.isModelLoaded)
      return aHello({ slots, memory_mib, engines, running: [{ task_id, fence }] })
    }
  }
}
