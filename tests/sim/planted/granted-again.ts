import { enter } from '#core/registry/indexes.ts'
import { agentIdOf } from '../names.ts'
import { PRODUCT, type Product } from '../product.ts'

/** Planted: after a hand-back the registry puts the very fence that was granted back into its queue. */
export const grantedAgain: Product = {
  ...PRODUCT,
  registryMachine: (autoPull) => {
    const machine = PRODUCT.registryMachine(autoPull)
    return {
      ...machine,
      step(state, input, nowMs) {
        const held = input.type === 'result.answered' ? state.placements.get(input.taskId) : undefined
        const step = machine.step(state, input, nowMs)
        const isHandedBack = input.type === 'result.answered' && input.end !== 'completed'
        if (held === undefined || !isHandedBack || !state.over.has(input.taskId)) return step
        state.over.delete(input.taskId)
        enter(state, { dispatch: held.dispatch, at: 'queued' })
        const value = { dispatch: held.dispatch, at: 'queued' }
        const offered = machine.step(state, NOTHING, nowMs)
        const changes = [...step.changes, { kind: 'task', id: input.taskId, value }, ...offered.changes]
        return { ...step, changes, effects: [...step.effects, ...offered.effects] }
      },
    }
  },
}

/** Of a session that never was: it makes the registry look who could take what waits. */
const NOTHING = { type: 'agent.disconnected', agentId: agentIdOf(999), sessionId: 'none' } as const
