import { pullable } from '#core/registry/auto-pull.ts'
import type { TrackedEffect } from '#core/registry/effects.ts'
import type { RegistryInput } from '#core/registry/input.ts'
import { selectFor } from '#core/registry/presence.ts'
import type { RegistryState } from '#core/registry/state.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { JobId, ModelId } from '#protocol/ids.ts'
import type { RegistryStep } from './grant-watch.ts'
import { CATALOG } from './models.ts'
import { numberOf } from './names.ts'
import type { OperationWatch } from './operation-watch.ts'
import type { World } from './world.ts'

/** What must hold of jobs that wait for the pull of a model, on the registry's side. */
export class PullWatch {
  readonly #world: World
  readonly #operations: OperationWatch
  /** Taken off the list since the registry was loaded: nothing is pulled for them any more. */
  readonly #unwaited = new Set<JobId>()

  constructor(world: World, operations: OperationWatch) {
    this.#world = world
    this.#operations = operations
  }

  committed(input: RegistryInput, { state, effects, changes }: RegistryStep): void {
    if (input.type === 'wait' && this.#unwaited.has(input.job.jobId)) this.#askedLate(input, effects)
    else if (input.type === 'wait') this.#asked(input, state)
    if (input.type === 'unwait') this.#unwaited.add(input.jobId)
    for (const effect of effects) {
      if (effect.type !== 'tracked' || effect.effect.type !== 'job.unavailable') continue
      // Told again it may be old news.
      const isNew = changes.some(
        ({ kind, id, value }) => kind === 'outbox' && id === effect.id && value !== null,
      )
      if (isNew) this.#gaveUp(state, effect.effect)
    }
  }

  /** What was remembered is gone. */
  loaded(): void {
    this.#unwaited.clear()
  }

  #askedLate({ job }: Extract<RegistryInput, { type: 'wait' }>, effects: RegistryStep['effects']): void {
    this.#world.count('calls of jobs that wait no more')
    if (effects.length > 0) this.#violated(`job ${numberOf(job.jobId)} waits no more, and is answered`)
  }

  /** What a pull would mend is being pulled, by an agent that is there or was a moment ago. */
  #asked({ job, pongs }: Extract<RegistryInput, { type: 'wait' }>, state: RegistryState): void {
    const { nowMs, config } = this.#world
    const { jobId, parameters } = job
    if (state.outbox.has(`selected:${jobId}`) || state.outbox.has(`unavailable:${jobId}`)) return
    const context = { settings: { ...DEFAULTS, modelsAutoPull: config.autoPull }, catalog: CATALOG }
    const choice = selectFor(state, parameters, pongs, nowMs, context)
    const wanted = choice.ok ? null : pullable(state, choice.error, context)
    if (wanted === null) return
    if (isPulled(state, wanted.model.id, nowMs)) return
    this.#violated(`job ${numberOf(jobId)} waits, and nobody who is there pulls its model`)
  }

  /** A job is given up only when a pull of its model failed or was cancelled, none goes on, and nobody who is there has it. */
  #gaveUp(state: RegistryState, { jobId }: Extract<TrackedEffect, { type: 'job.unavailable' }>): void {
    this.#world.count('jobs told unavailable')
    const modelId = state.waiting.get(jobId)?.pulls
    const hasFailed = [...this.#operations.begun.values()].some(
      ({ operation, end }) =>
        operation.action === 'pull' &&
        operation.modelId === modelId &&
        (end === 'failed' || end === 'cancelled'),
    )
    if (modelId === undefined || !hasFailed) {
      this.#violated(`job ${numberOf(jobId)} is given up, and no pull of its model failed`)
    } else if (isPulled(state, modelId, this.#world.nowMs)) {
      this.#violated(`job ${numberOf(jobId)} is given up, and a pull of its model goes on`)
    } else if (hasModel(state, modelId)) {
      this.#violated(`job ${numberOf(jobId)} is given up, and an agent that is there has its model`)
    }
  }

  #violated(text: string): void {
    this.#world.violated('I16', `registry: ${text}`)
  }
}

/** By an agent that is there, or was until a moment ago. */
function isPulled(state: RegistryState, modelId: ModelId, nowMs: number): boolean {
  for (const [agentId, ids] of state.openOrders) {
    const agent = state.agents.get(agentId)
    if (agent === undefined) continue
    if (agent.session === null && nowMs - agent.lastSeenMs > DEFAULTS.offlineMs) continue
    for (const id of ids) {
      const operation = state.operations.get(id)
      if (operation?.action === 'pull' && operation.modelId === modelId) return true
    }
  }
  return false
}

/** An agent that is there has announced it. */
function hasModel(state: RegistryState, modelId: ModelId): boolean {
  return [...state.agents.values()].some(
    ({ session, hello }) =>
      session !== null && hello.engines.some(({ models }) => models.some(({ id }) => id === modelId)),
  )
}
