import type { RegistryEffect, TrackedEffect } from '#core/registry/effects.ts'
import type { RegistryInput } from '#core/registry/input.ts'
import type { JobId } from '#protocol/ids.ts'
import type { Bindings } from '../env.ts'
import { endOf, inputOf } from './told.ts'

type Effect<Type extends RegistryEffect['type']> = Extract<RegistryEffect, { type: Type }>
type ResultAnswered = Extract<RegistryInput, { type: 'result.answered' }>

/** What a registry tells Jobs, and what comes back of it. */
export class JobCalls {
  readonly #env: Bindings

  constructor(env: Bindings) {
    this.#env = env
  }

  async tracked(id: string, effect: TrackedEffect): Promise<RegistryInput> {
    const answer = await this.#job(effect.jobId).tell(inputOf(effect))
    return { type: 'effect.answered', id, answer }
  }

  async progress({ jobId, type: _type, ...progress }: Effect<'job.progress'>): Promise<null> {
    await this.#job(jobId).tell({ type: 'task.progress', ...progress })
    return null
  }

  async waits({ jobId, why }: Effect<'job.waits'>): Promise<null> {
    await this.#job(jobId).tell({ type: 'unselected', why })
    return null
  }

  async result(effect: Omit<Effect<'job.result'>, 'type'>): Promise<ResultAnswered> {
    const { jobId, agentId, taskId, fence, outcome, runner } = effect
    const from = { agentId, runner }
    const answer = await this.#job(jobId).tell({ type: 'task.result', taskId, fence, outcome, from })
    return { type: 'result.answered', agentId, taskId, fence, ...endOf(outcome), answer }
  }

  #job(jobId: JobId) {
    return this.#env.JOB.getByName(jobId)
  }
}
