import type { Runner } from '#core/dispatch.ts'
import type { JobEffect } from '#core/job/effects.ts'
import type { JobSpec } from '#core/job/facts.ts'
import type { JobInput, JobReply } from '#core/job/input.ts'
import { loadJob } from '#core/job/load.ts'
import { type JobMachineState, type JobState, NO_JOB, type TaskState } from '#core/job/state.ts'
import { jobMachine } from '#core/job/step.ts'
import { jobView } from '#core/job/view.ts'
import type { CoreSettings } from '#core/settings.ts'
import type { JobEvent } from '#protocol/events.ts'
import type { AgentId } from '#protocol/ids.ts'
import type { JobView } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { agentId, aJob, completed, T0, taskId } from './builders.ts'
import { SavedRecords } from './records.ts'

interface Options {
  readonly reloads?: boolean
  readonly settings?: CoreSettings
}

/** One job machine with its clock and its disk. `reloads`: the object is evicted after every step. */
export class JobRun {
  state: JobMachineState = NO_JOB
  nowMs = T0
  readonly records = new SavedRecords()
  /** Of the last step. */
  effects: readonly JobEffect[] = []
  readonly published: { readonly seq: number | null; readonly event: JobEvent }[] = []
  readonly #reloads: boolean
  readonly #machine: ReturnType<typeof jobMachine>

  constructor(options: Options = {}) {
    this.#reloads = options.reloads ?? false
    this.#machine = jobMachine(options.settings)
  }

  static created(spec: JobSpec = aJob(), options: Options = {}): JobRun {
    const run = new JobRun(options)
    run.tell({ type: 'create', spec })
    return run
  }

  /** A job whose `prepare` runs on agent 1. */
  static running(spec: JobSpec = aJob(), options: Options = {}): JobRun {
    const run = JobRun.created(spec, options)
    run.start('prepare')
    return run
  }

  /** A job whose `transcribe` runs on agent 1. */
  static transcribing(spec: JobSpec = aJob()): JobRun {
    const run = JobRun.running(spec)
    run.finish('prepare')
    run.start('transcribe')
    return run
  }

  tell(input: JobInput): JobReply {
    const step = this.#machine.step(this.state, input, this.nowMs)
    this.state = step.state
    this.records.write(step.changes)
    this.effects = step.effects
    for (const effect of step.effects) if (effect.type === 'publish') this.published.push(effect)
    if (this.#reloads) this.reload()
    return step.reply
  }

  reload(): void {
    this.state = loadJob(this.records.read(), this.nowMs)
  }

  /** Time passes, and the alarm rings when it is due. */
  wakeAfter(ms: number): void {
    this.nowMs += ms
    this.tell({ type: 'wake' })
  }

  start(stage: Stage, fence = this.task(stage).fence, agent = agentId()): JobReply {
    return this.tell({ type: 'task.started', taskId: this.id(stage), fence, runner: aRunner(agent) })
  }

  progress(stage: Stage, n: number, percent: number, text: string | null = null): JobReply {
    const partial = text === null ? null : { revision: n, start: 0, end: 1, text }
    const progress = { percent, message: null }
    const { fence } = this.task(stage)
    return this.tell({ type: 'task.progress', taskId: this.id(stage), fence, n, progress, partial })
  }

  finish(stage: Stage, parts: ResultParts = {}): JobReply {
    const fence = parts.fence ?? this.task(stage).fence
    const outcome = parts.outcome ?? completed(this.id(stage), fence)
    const agent = stage === 'merge' ? null : (parts.agent ?? agentId())
    const from = { agentId: agent, runner: parts.granted === true ? aRunner(agent) : null }
    return this.tell({ type: 'task.result', taskId: this.id(stage), fence, outcome, from })
  }

  lose(stage: Stage, counted: boolean, fence = this.task(stage).fence): JobReply {
    return this.tell({ type: 'task.lost', taskId: this.id(stage), fence, counted, error: LEASE_OVER })
  }

  placed(stage: Stage, known: boolean, why: string | null = null, queueMs = 0): JobReply {
    const { fence } = this.task(stage)
    return this.tell({ type: 'task.placed', taskId: this.id(stage), fence, known, why, queueMs })
  }

  get job(): JobState {
    if (this.state.job === null) throw new Error('expected a job, there is none')
    return this.state.job
  }

  get view(): JobView {
    return jobView(this.job, this.state.live, this.nowMs)
  }

  task(stage: Stage): TaskState {
    const task = this.job.tasks.get(this.id(stage))
    if (task === undefined) throw new Error(`expected a task ${stage}, the job has none`)
    return task
  }

  /** The types and ids of what the last step ordered, without what it published. */
  get orders(): string[] {
    return this.effects.flatMap((effect) => {
      if (effect.type === 'publish' || effect.type === 'registry.ended') return []
      if (effect.type === 'tracked') return [effect.id]
      if (effect.type === 'artifacts.discard') return [`${effect.type}:${effect.prefix}`]
      return [`${effect.type}:${effect.taskId}:${effect.fence}`]
    })
  }

  get unanswered(): string[] {
    return [...this.state.outbox.keys()]
  }

  get nextWakeMs(): number | null {
    return this.#machine.nextWakeMs(this.state)
  }

  id(stage: Stage) {
    return taskId(stage, this.job.spec.jobId)
  }
}

interface ResultParts {
  readonly outcome?: TaskOutcome
  readonly fence?: number
  readonly agent?: AgentId
  readonly granted?: boolean
}

export function aRunner(agent: AgentId | null = agentId()): Runner {
  return { agentId: agent, engineId: 'ctc', modelId: null, embeddedModel: false, why: null, speed: null }
}

const LEASE_OVER = { code: 'task_lost', message: 'lease over', retryable: true }
