import type { RegistryEffect } from '#core/registry/effects.ts'
import { PRODUCT, type Product } from '../product.ts'

/** Planted: the registry acknowledges a result before its Job has answered. */
export const earlyAck: Product = {
  ...PRODUCT,
  registryMachine: (autoPull) => {
    const machine = PRODUCT.registryMachine(autoPull)
    return {
      ...machine,
      step(state, input, nowMs) {
        const step = machine.step(state, input, nowMs)
        if (input.type !== 'agent.message' || input.message.type !== 'task.result') return step
        const { task_id, fence } = input.message
        const message = { type: 'task.ack', task_id, fence, answer: 'accepted' } as const
        const ack: RegistryEffect = { type: 'send', agentId: input.agentId, message }
        return { ...step, effects: [...step.effects, ack] }
      },
    }
  },
}
