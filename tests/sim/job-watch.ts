import type { JobEffect } from '#core/job/effects.ts'
import type { Fact } from '#core/job/facts.ts'
import { fold } from '#core/job/fold.ts'
import type { JobInput, JobReply } from '#core/job/input.ts'
import { factsFrom } from '#core/job/load.ts'
import { overallPercent } from '#core/job/progress.ts'
import type { JobMachineState, JobState } from '#core/job/state.ts'
import type { Step } from '#core/machine.ts'
import type { TaskId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import { isEqual } from './equal.ts'
import type { JobObject } from './job-object.ts'
import { grantOf, shortOf } from './names.ts'
import type { World } from './world.ts'

/** What must hold of one job after each of its steps: only what the step touched is looked at. */
export class JobWatch {
  readonly #world: World
  readonly #object: JobObject
  #job: JobState | null = null
  /** What memory was when it went. */
  #memory: JobMachineState | null = null
  #seq = 0
  #ends = 0
  #percent = 0
  readonly #fences = new Map<TaskId, number>()
  /** Grants whose run brought something, and tasks that are done. */
  readonly #over = new Set<string>()
  readonly #done = new Set<TaskId>()

  constructor(world: World, object: JobObject) {
    this.#world = world
    this.#object = object
  }

  committed(input: JobInput, step: Step<JobMachineState, JobEffect, JobReply>): void {
    const before = this.#job
    const { job } = step.state
    if (before !== null && isTerminal(before.status) && !isEqual(before, job)) {
      this.#violated('I1', 'changed after its end')
    }
    if (input.type === 'task.result' && step.reply === 'accepted') this.#accepted(input)
    const facts = factsOf(step)
    for (const fact of facts) this.#fact(fact)
    const folded = facts.reduce<JobState | null>(fold, before)
    if (!isEqual(folded, job)) this.#violated('I11', 'the fold of its log is not its state')
    this.#job = job
    if (job === null) return
    if (isTerminal(job.status) && facts.length > 0) this.#checkTakenBack(step.state)
    this.#checkPercent(step.state)
    this.#checkWait(input, step.state)
    const isOpen = step.state.outbox.size > 0 || !isTerminal(job.status)
    if (isOpen && this.#world.product.jobMachine.nextWakeMs(step.state) === null) {
      this.#violated('L1', 'has something open and wants no wake')
    }
  }

  forgotten(memory: JobMachineState): void {
    this.#memory = memory
  }

  /** A load gives back what memory was. */
  loaded(state: JobMachineState): void {
    const memory = this.#memory
    if (memory === null) return
    if (!isEqual(memory.job, state.job)) this.#violated('I11', 'a reload gave another state')
    const lost = [...memory.outbox.keys()].filter((id) => !state.outbox.has(id))
    if (lost.length > 0) this.#violated('I11', `a reload forgot ${lost.join(', ')}, which is unanswered`)
    const more = [...state.outbox.keys()].filter((id) => !memory.outbox.has(id))
    // That it was answered is saved with the next facts: until then a reload may repeat it.
    if (more.length > 0 && !memory.hasUnsavedAnswers)
      this.#violated('I11', `a reload brought back ${more.join(', ')}`)
    if (state.job !== null) this.#checkPercent(state)
  }

  /** Emptied: nothing may come back. */
  deleted(): void {
    this.#job = null
    this.#memory = null
  }

  get job(): JobState | null {
    return this.#job
  }

  #fact(fact: Fact): void {
    if (this.#object.isDeleted) this.#violated('L6', `wrote ${fact.type} after it was deleted`)
    if (fact.seq !== this.#seq + 1) this.#violated('I6', `its log has ${fact.seq} after ${this.#seq}`)
    this.#seq = fact.seq
    if ('taskId' in fact) this.#taskFact(fact)
    const isEnd = fact.type === 'job_completed' || fact.type === 'job_failed' || fact.type === 'job_cancelled'
    if (isEnd && ++this.#ends > 1) this.#violated('I1', 'ended twice')
    if (isEnd) this.#world.count(fact.type.replace('_', 's '))
  }

  #taskFact({ taskId, fence, type }: Extract<Fact, { taskId: TaskId }>): void {
    const newest = this.#fences.get(taskId) ?? 0
    const grant = grantOf(shortOf(taskId), fence)
    if (type === 'queued') {
      if (fence !== newest + 1) this.#violated('I3', `queued ${grant} after fence ${newest}`)
      this.#fences.set(taskId, fence)
      return
    }
    if (fence !== newest) this.#violated('I4', `took ${type} of ${grant}, and the newest fence is ${newest}`)
    if (type === 'started') return
    if (this.#over.has(grant)) this.#violated('I2', `${grant} ended twice`)
    this.#over.add(grant)
    if (this.#done.has(taskId)) this.#violated('I2', `${shortOf(taskId)} ended after it was done`)
    if (type === 'completed') this.#done.add(taskId)
  }

  /** Only the newest fence, only from whom it was granted to, and once. */
  #accepted({ taskId, fence, from }: Extract<JobInput, { type: 'task.result' }>): void {
    const grant = grantOf(shortOf(taskId), fence)
    const newest = this.#fences.get(taskId)
    if (fence !== newest) this.#violated('I4', `accepted a result of ${grant}, and the newest is ${newest}`)
    const holder = this.#world.registry.watch.holderOf(taskId, fence)
    if (from.agentId !== holder)
      this.#violated('I3', `accepted a result of ${grant} from who does not hold it`)
    if (this.#world.accepted.has(grant)) this.#violated('I2', `accepted a second result of ${grant}`)
    this.#world.accepted.add(grant)
    this.#world.count('results accepted')
  }

  /** A job that ends orders everything back that the registry still has of it. */
  #checkTakenBack({ job, outbox }: JobMachineState): void {
    const orders = [...outbox.values()].map(({ effect }) => effect)
    for (const { plan, status, fence } of job?.tasks.values() ?? []) {
      const placed = this.#world.registry.state?.placements.get(plan.id)
      if (status !== 'cancelled' || placed === undefined || placed.dispatch.fence > fence) continue
      // Its run ended, and the answer is on its way.
      if (this.#world.accepted.has(grantOf(shortOf(plan.id), placed.dispatch.fence))) continue
      const isOrdered = orders.some(
        (order) =>
          order.type === 'registry.cancel' &&
          order.taskId === plan.id &&
          order.fence >= placed.dispatch.fence,
      )
      if (!isOrdered) this.#violated('I9', `ended, and leaves ${shortOf(plan.id)} with the registry`)
    }
  }

  /** Who waits for engines, or for a model, is looked at again when its time is over, and waits no longer then. */
  #checkWait(input: JobInput, state: JobMachineState): void {
    const { job } = state
    if (job === null || job.pipeline !== null || isTerminal(job.status)) return
    const limitMs = job.createdAtMs + job.spec.parameters.unavailable.waitMs
    const wakeMs = this.#world.product.jobMachine.nextWakeMs(state)
    if (input.type === 'wake' && this.#world.nowMs >= limitMs) this.#violated('I16', 'waits past its limit')
    if (wakeMs === null || wakeMs > limitMs) this.#violated('I16', 'waits, and wants no wake at its limit')
  }

  #checkPercent({ job, live }: JobMachineState): void {
    if (job === null) return
    const overall = overallPercent(job, live)
    if (overall < this.#percent)
      this.#violated('percent', `its percent fell from ${this.#percent} to ${overall}`)
    this.#percent = overall
  }

  #violated(rule: string, text: string): void {
    this.#world.violated(rule, `${this.#object.name}: ${text}`)
  }
}

function factsOf(step: Step<JobMachineState, JobEffect, JobReply>): readonly Fact[] {
  return factsFrom(step.changes)
}
