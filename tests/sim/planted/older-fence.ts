import type { JobInput } from '#core/job/input.ts'
import type { JobMachineState } from '#core/job/state.ts'
import { PRODUCT, type Product } from '../product.ts'

/** Planted: the Job takes a result of an older fence as one of the newest, from whoever sends it. */
const { jobMachine } = PRODUCT
export const olderFence: Product = {
  ...PRODUCT,
  jobMachine: {
    ...jobMachine,
    step: (state, input, nowMs) => jobMachine.step(state, renewed(state, input), nowMs),
  },
}

function renewed({ job }: JobMachineState, input: JobInput): JobInput {
  if (input.type !== 'task.result') return input
  const task = job?.tasks.get(input.taskId)
  if (task === undefined || task.status === 'completed' || input.fence >= task.fence) return input
  const agentId = task.runner?.agentId ?? input.from.agentId
  return { ...input, fence: task.fence, from: { ...input.from, agentId } }
}
