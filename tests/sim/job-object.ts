import type { JobEffect, MergeOrder, TrackedEffect } from '#core/job/effects.ts'
import type { JobInput, JobReply } from '#core/job/input.ts'
import { isTakingBack, type JobMachineState, NO_JOB } from '#core/job/state.ts'
import type { Step } from '#core/machine.ts'
import { FIRST_RETRY_MS } from '#core/outbox.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import type { Answer } from '#objects/loop.ts'
import type { JobId } from '#protocol/ids.ts'
import { completed, failed } from '../core/kit/builders.ts'
import { JobWatch } from './job-watch.ts'
import type { MergeEnd } from './mail.ts'
import { grantOf, jobIdOf, operationIdOf, pullOf, shortOf } from './names.ts'
import { Readers } from './readers.ts'
import { SimObject, type Told } from './sim-object.ts'
import type { World } from './world.ts'

/** The Job object: what objects/job.ts does with the platform, done with the simulated one. */
export class JobObject extends SimObject<JobMachineState, JobInput, JobEffect, JobReply> {
  readonly number: number
  readonly id: JobId
  readonly watch: JobWatch
  readonly readers: Readers
  isDeleted = false
  #asked = 0

  constructor(world: World, number: number) {
    super(world, `job ${number}`)
    this.number = number
    this.id = jobIdOf(number)
    this.watch = new JobWatch(world, this)
    this.readers = new Readers(world, this)
  }

  protected readonly soonMs = FIRST_RETRY_MS

  protected get machine() {
    return this.world.product.jobMachine
  }

  /** Empties the object, as deleting a job does; not while its tasks are still to be taken back. */
  destroy(): void {
    this.turn((loop) => {
      if (isTakingBack(loop.state)) return
      this.readers.leave()
      this.alarmMs = null
      this.disk.clear()
      loop.state = NO_JOB
      this.isDeleted = true
      this.watch.deleted()
    })
  }

  /** In memory, loaded if need be; null when it cannot be. */
  loaded(): JobMachineState | null {
    const told = this.turn((loop) => loop.state)
    return told.ok ? told.reply : null
  }

  protected override load(): JobMachineState {
    const state = this.world.product.loadJob(this.disk.read(), this.world.nowMs)
    this.watch.loaded(state)
    return state
  }

  protected override wakeInput(): JobInput {
    return { type: 'wake' }
  }

  protected override effectId(effect: JobEffect): string | null {
    return effect.type === 'tracked' ? effect.id : null
  }

  protected override committed(input: JobInput, step: Step<JobMachineState, JobEffect, JobReply>): void {
    this.watch.committed(input, step)
  }

  protected override forgotten(state: JobMachineState): void {
    this.watch.forgotten(state)
    this.readers.leave()
  }

  protected override perform(effect: JobEffect, answer: Answer<JobInput>): void {
    switch (effect.type) {
      case 'publish':
        this.readers.publish(effect.seq, effect.event)
        break
      case 'registry.inquire': {
        const { taskId, fence } = effect
        const name = `inquire ${grantOf(shortOf(taskId), fence)}`
        this.#ask(name, { type: 'inquire', taskId, fence }, placed(taskId, fence), answer)
        break
      }
      case 'artifacts.discard':
        this.world.count('refused files discarded')
        break
      case 'tracked':
        this.#performTracked(effect.id, effect.effect, answer)
    }
  }

  #performTracked(id: string, effect: TrackedEffect, answer: Answer<JobInput>): void {
    const done: JobInput = { type: 'effect.answered', id }
    switch (effect.type) {
      case 'index.save': {
        const serve = (): Told<null> => this.world.saveIndexRow(effect.row)
        this.call(`row job${this.number}@${effect.row.seq}`, serve, () => [done], answer)
        break
      }
      case 'registry.enqueue': {
        const { dispatch } = effect
        const { taskId, fence } = dispatch
        const inputs = (reply: RegistryReply) => [...placed(taskId, fence)(reply), done]
        this.#ask(`enqueue ${grantOf(shortOf(taskId), fence)}`, { type: 'enqueue', dispatch }, inputs, answer)
        break
      }
      case 'registry.cancel': {
        const { taskId, fence } = effect
        const name = `cancel ${grantOf(shortOf(taskId), fence)}`
        const input = { type: 'cancel', taskId, fence, reason: 'the job is over' } as const
        this.#ask(name, input, () => [done], answer)
        break
      }
      case 'registry.wait': {
        const { jobId, tenantId, parameters } = effect
        const job = { jobId, tenantId, parameters }
        const { registry } = this.world
        // A new id at each arrival, should a pull begin there.
        const serve = () => {
          const operationId = operationIdOf(pullOf(this.number, ++this.#asked))
          return registry.tell({ type: 'wait', job, pongs: registry.pongs, operationId })
        }
        const inputs = (): JobInput[] => [{ type: 'unselected', why: 'it waits' }, done]
        this.call(`wait job${this.number}`, serve, inputs, answer)
        break
      }
      case 'registry.unwait': {
        const { jobId } = effect
        this.#ask(`unwait job${this.number}`, { type: 'unwait', jobId }, () => [done], answer)
        break
      }
      case 'merge.run':
        this.#merge(effect.merge, done, answer)
    }
  }

  /** The edge engine ends as the event says; a run that is dropped gave no answer. */
  #merge({ taskId, fence }: MergeOrder, done: JobInput, answer: Answer<JobInput>): void {
    const serve = (as: MergeEnd | undefined) => {
      const outcome = as === undefined ? completed(taskId, fence) : failed(as === 'retryable')
      return { ok: true, reply: outcome } as const
    }
    const from = { agentId: null, runner: null }
    this.call(
      `merge ${grantOf(shortOf(taskId), fence)}`,
      serve,
      (outcome) => [{ type: 'task.result', taskId, fence, outcome, from }, done],
      answer,
    )
  }

  #ask(
    name: string,
    input: RegistryInput,
    inputs: (reply: RegistryReply) => readonly JobInput[],
    answer: Answer<JobInput>,
  ): void {
    this.call(name, () => this.world.registry.tell(input), inputs, answer)
  }
}

function placed(taskId: MergeOrder['taskId'], fence: number) {
  return (reply: RegistryReply): readonly JobInput[] => [{ type: 'task.placed', taskId, fence, ...reply }]
}
