import type { Dispatch } from '#core/dispatch.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { TaskId } from '#protocol/ids.ts'
import { STAGES, type Stage } from '#protocol/stage.ts'
import { A_RUN, agentId, anEngine, completed, jobId, requirementsOf, T0, taskId } from './builders.ts'
import { RegistryRun } from './registry-run.ts'

/** A recording that is submitted: its length, whose it is, and when it comes. */
export interface Recording {
  readonly name: string
  readonly seconds: number
  readonly share?: string
  readonly priority?: Dispatch['priority']
  readonly language?: string
  readonly atMs?: number
}

/** Milliseconds of work for a second of audio, where every box is alike. */
const RUN_MS_A_SECOND: Partial<Record<Stage, number>> = { prepare: 10, transcribe: 100 }
const PIPELINE: readonly Stage[] = ['prepare', 'transcribe']

/**
 * One registry and one agent that does as it is told, on a virtual clock: it accepts, runs each task for as long as the
 * task takes, extends its leases, and sends the result. A recording is prepared, then transcribed.
 */
export class PoolRun {
  readonly registry = new RegistryRun()
  /** Tasks in the order in which they began, as `<recording> <stage>`. */
  readonly began: string[] = []
  readonly startMs = new Map<string, number>()
  readonly endMs = new Map<string, number>()
  readonly #recordings = new Map<string, Recording>()
  readonly #numbers = new Map<string, number>()
  readonly #names = new Map<TaskId, string>()
  readonly #events: { readonly atMs: number; readonly run: () => void }[] = []
  readonly #running = new Set<TaskId>()

  constructor(recordings: readonly Recording[], slots = 1) {
    const engines = [anEngine({ slots }), anEngine({ id: 'transcribe', stages: ['transcribe'], slots })]
    this.#tell(() => this.registry.hello(1, { slots, engines }))
    for (const recording of recordings) {
      this.#recordings.set(recording.name, recording)
      this.#numbers.set(recording.name, this.#numbers.size + 1)
      this.#at(recording.atMs ?? 0, () => this.#enqueue(recording.name, 'prepare'))
    }
    this.#extendAll()
  }

  /** Until that recording is transcribed. */
  until(name: string): this {
    while (!this.endMs.has(`${name} transcribe`)) {
      const next = this.#events.shift()
      const wakeMs = this.registry.nextWakeMs
      if (wakeMs !== null && (next === undefined || wakeMs <= next.atMs)) {
        if (next !== undefined) this.#events.unshift(next)
        this.registry.nowMs = Math.max(this.registry.nowMs, wakeMs)
        this.#tell(() => this.registry.tell({ type: 'wake', pongs: new Map() }))
      } else if (next === undefined) throw new Error(`${name} is never transcribed`)
      else {
        this.registry.nowMs = Math.max(this.registry.nowMs, next.atMs)
        next.run()
      }
    }
    return this
  }

  /** How many tasks the agent began between the submission of a recording, or the end of a stage of it, and that task. */
  tasksBefore(task: string, sinceMs: number): number {
    const startMs = this.startMs.get(task) ?? Number.NaN
    return this.began.filter((other) => {
      const ms = this.startMs.get(other) ?? 0
      return other !== task && ms >= sinceMs && ms < startMs
    }).length
  }

  #enqueue(name: string, stage: Stage): void {
    const recording = this.#recordings.get(name)
    const number = this.#numbers.get(name)
    if (recording === undefined || number === undefined) throw new Error(`there is no recording ${name}`)
    const job = jobId(number)
    this.#names.set(taskId(stage, job), `${name} ${stage}`)
    const requirements = requirementsOf({
      stage,
      language: stage === 'transcribe' ? (recording.language ?? null) : null,
    })
    const { share = 'key', priority = 'normal', seconds } = recording
    this.#tell(() =>
      this.registry.enqueue({
        jobId: job,
        stage,
        requirements,
        share,
        priority,
        workSeconds: seconds,
        queuedAtMs: this.registry.nowMs,
        jobCreatedAtMs: T0 + (recording.atMs ?? 0),
        runLimitMs: 86_400_000,
      }),
    )
  }

  /** One step, and the agent's answers to what it was sent. */
  #tell(act: () => void): void {
    act()
    for (const { message } of [...this.registry.sent]) {
      if (!('task_id' in message)) continue
      const task = message.task_id
      if (message.type === 'task.offer') this.#tell(() => this.registry.accept(1, task))
      if (message.type === 'task.granted') this.#begin(task)
    }
  }

  #begin(task: TaskId): void {
    const name = this.#nameOf(task)
    const stage = STAGES.find((one) => name.endsWith(` ${one}`)) ?? 'prepare'
    const recording = name.slice(0, -stage.length - 1)
    const seconds = this.#recordings.get(recording)?.seconds ?? 0
    this.began.push(name)
    this.startMs.set(name, this.registry.nowMs)
    this.#running.add(task)
    this.registry.start(1, task)
    this.registry.tell({ type: 'effect.answered', id: `started:${task}:1`, answer: 'ok' })
    const endMs = this.registry.nowMs + seconds * (RUN_MS_A_SECOND[stage] ?? 0)
    this.#at(endMs - T0, () => {
      this.#end(task)
      const following = PIPELINE[PIPELINE.indexOf(stage) + 1]
      if (following !== undefined) this.#enqueue(recording, following)
    })
  }

  #end(task: TaskId): void {
    this.#running.delete(task)
    this.endMs.set(this.#nameOf(task), this.registry.nowMs)
    const grant = { task_id: task, fence: 1 }
    this.registry.says(1, { type: 'task.result', ...grant, outcome: completed(task, 1) })
    const told = { agentId: agentId(), taskId: task, fence: 1, ...A_RUN, answer: 'accepted' } as const
    this.#tell(() => this.registry.tell({ type: 'result.answered', ...told }))
  }

  #extendAll(): void {
    const leases = [...this.#running].map((task_id) => ({ task_id, fence: 1 }))
    if (leases.length > 0) this.registry.says(1, { type: 'lease.extend', leases })
    this.#at(this.registry.nowMs - T0 + DEFAULTS.leaseExtendMs, () => this.#extendAll())
  }

  #at(afterMs: number, run: () => void): void {
    const event = { atMs: T0 + afterMs, run }
    const place = this.#events.findIndex(({ atMs }) => atMs > event.atMs)
    this.#events.splice(place < 0 ? this.#events.length : place, 0, event)
  }

  #nameOf(task: TaskId): string {
    const name = this.#names.get(task)
    if (name === undefined) throw new Error(`${task} was never enqueued`)
    return name
  }
}
