import { PRODUCT, type Product } from '../product.ts'

/** Planted: an agent is told once what it is ordered, and not again when it comes back. */
export const toldOnce: Product = {
  ...PRODUCT,
  registryMachine: (autoPull) => {
    const machine = PRODUCT.registryMachine(autoPull)
    return {
      ...machine,
      step(state, input, nowMs) {
        const step = machine.step(state, input, nowMs)
        if (input.type !== 'agent.message' && input.type !== 'wake') return step
        const effects = step.effects.filter(
          (effect) => effect.type !== 'send' || effect.message.type !== 'model.order',
        )
        return { ...step, effects }
      },
    }
  },
}
