import { DurableObject } from 'cloudflare:workers'
import type { JobEffect, MergeOrder, TrackedEffect } from '#core/job/effects.ts'
import { eventsAfter } from '#core/job/events.ts'
import type { JobSpec } from '#core/job/facts.ts'
import type { JobInput, JobReply } from '#core/job/input.ts'
import { factsFrom, loadJob } from '#core/job/load.ts'
import { otlpBody } from '#core/job/otlp.ts'
import { jobProgress } from '#core/job/progress.ts'
import {
  isTakingBack,
  type JobMachineState,
  type JobState,
  type Live,
  NO_JOB,
  type TaskState,
} from '#core/job/state.ts'
import { jobMachine } from '#core/job/step.ts'
import { jobTrace } from '#core/job/trace.ts'
import { jobView, splitCount } from '#core/job/view.ts'
import { FIRST_RETRY_MS } from '#core/outbox.ts'
import type { Pipeline } from '#core/pipeline.ts'
import { coreSettings } from '#core/settings.ts'
import type { JobEvent } from '#protocol/events.ts'
import { isTerminal, type JobStatus, type JobView } from '#protocol/job.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import type { JobTrace } from '#protocol/trace.ts'
import { deletePrefix } from '#store/artifacts.ts'
import { saveIndexRow } from '#store/jobs.ts'
import { logError } from '../access/log.ts'
import { type Bindings, settingsOf } from '../env.ts'
import { withDeadline } from './deadline.ts'
import { Loop } from './loop.ts'
import { memoryTimer } from './memory-timer.ts'
import { postTrace } from './post-trace.ts'
import { promised } from './promised.ts'
import { Records } from './records.ts'
import { EVENT_STREAM, frame, Subscribers } from './subscribers.ts'

/** The index row of the log's first fact. Later ones may be under way by then, when an agent was fast. */
const CREATED_ROW = 'index:1'

/** Ten hours of words merge in seconds; a merge that hangs is run again. */
const MERGE_LIMIT_MS = 600_000

/** What a reader of a job's transcript needs: the view, and where the merged transcript lies. */
export interface JobReading {
  readonly view: JobView
  readonly transcriptKey: string | null
}

export interface JobSource {
  readonly spec: JobSpec
  readonly status: JobStatus
  readonly pipeline: Pipeline | null
  readonly tasks: readonly TaskState[]
  /** Into how many channels it was split; null for none. */
  readonly channelCount: number | null
}

/**
 * One job: the shell round core/job. It is the truth of the job; whoever calls has asked D1 first whether the id exists
 * and is theirs. It never renders HTML and never touches audio.
 */
export class Job extends DurableObject<Bindings> {
  readonly #records: Records
  readonly #subscribers = new Subscribers()
  // Set in the constructor's blockConcurrencyWhile, before any call is let in.
  #loop!: Loop<JobMachineState, JobInput, JobEffect, JobReply>

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#records = new Records(ctx.storage.sql)
    ctx.blockConcurrencyWhile(async () => this.#start(await ctx.storage.getAlarm()))
  }

  /** Answers when the job's row in D1 is durable; null when it could not be written, which the outbox goes on trying. */
  async create(spec: JobSpec): Promise<JobView | null> {
    this.#loop.handle({ type: 'create', spec })
    await this.#loop.settled(CREATED_ROW)
    const { job, live, outbox } = this.#loop.state
    return job === null || outbox.has(CREATED_ROW) ? null : jobView(job, live, Date.now())
  }

  /** What the registry and the edge engine tell. Never creates a job: an unknown one answers `gone`. */
  async tell(input: Exclude<JobInput, { type: 'create' | 'wake' | 'effect.answered' }>): Promise<JobReply> {
    return this.#loop.handle(input)
  }

  async read(): Promise<JobReading | null> {
    const { job, live } = this.#loop.state
    if (job === null) return null
    const merge = [...job.tasks.values()].find((task) => task.plan.stage === 'merge')
    const transcript = merge?.artifacts.find((artifact) => artifact.name === 'transcript.jsonl')
    return { view: jobView(job, live, Date.now()), transcriptKey: transcript?.key ?? null }
  }

  /** The timeline, told from the log. */
  async trace(): Promise<JobTrace | null> {
    return jobTrace(factsFrom(this.#records.read('facts')))
  }

  /** What a rerun takes over. */
  async source(): Promise<JobSource | null> {
    const { job } = this.#loop.state
    if (job === null) return null
    const { spec, status, pipeline } = job
    return { spec, status, pipeline, tasks: [...job.tasks.values()], channelCount: splitCount(job) }
  }

  /** For who wrote a file of the job: true once it was deleted. */
  async isGone(): Promise<boolean> {
    return this.#loop.state.job === null
  }

  /** How many clients follow the job now. An open stream keeps the object awake. */
  async followers(): Promise<number> {
    return this.#subscribers.size
  }

  /**
   * Empties the object: no state, no alarm. What is told to it later answers `gone`. False, and nothing is gone, while
   * its tasks could not be taken back from the registry.
   */
  async destroy(): Promise<boolean> {
    await this.#loop.settled('cancel:')
    if (isTakingBack(this.#loop.state)) return false
    this.#subscribers.closeAll()
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#records.forget()
    this.#loop.state = NO_JOB
    return true
  }

  /** The event stream. State and subscription are read in one synchronous block: no event falls between. */
  override async fetch(request: Request): Promise<Response> {
    const { job, live } = this.#loop.state
    if (job === null) return new Response(null, { status: 404 })
    const lastSeq = parseLastEventId(request.headers.get('last-event-id'))
    if (isTerminal(job.status) && lastSeq === job.seq) return new Response(null, { status: 204 })
    const isKnown = lastSeq !== null && lastSeq <= job.seq
    const frames = isKnown
      ? eventsAfter(factsFrom(this.#records.read('facts')), lastSeq).map(({ seq, event }) =>
          frame(seq, event),
        )
      : [frame(job.seq, { type: 'snapshot', job: jobView(job, live, Date.now()) })]
    if (!isTerminal(job.status)) frames.push(...liveEvents(job, live).map((event) => frame(null, event)))
    const stream = this.#subscribers.subscribe(frames, request.signal)
    if (isTerminal(job.status)) this.#subscribers.closeAll()
    return new Response(stream, { headers: EVENT_STREAM })
  }

  override alarm(): void {
    this.#loop.alarm()
  }

  #start(armedMs: number | null): void {
    this.#loop = new Loop({
      name: 'job',
      machine: jobMachine(coreSettings(settingsOf(this.env))),
      state: loadJob(this.#records.read(), Date.now()),
      records: this.#records,
      storage: this.ctx.storage,
      setTimer: memoryTimer(() => this.#loop.timer()),
      soonMs: FIRST_RETRY_MS,
      armedMs,
      nowMs: () => Date.now(),
      log: logError,
      restart: (reason) => this.ctx.abort(reason),
      wakeInput: () => ({ type: 'wake' }),
      perform: promised((effect) => this.#perform(effect)),
      effectId: (effect) => (effect.type === 'tracked' ? effect.id : null),
    })
  }

  #perform(effect: JobEffect): Promise<JobInput | null> | null {
    switch (effect.type) {
      case 'publish':
        this.#subscribers.publish(effect.seq, effect.event)
        return null
      case 'registry.inquire':
        return this.#inquire(effect)
      case 'registry.ended':
        return this.#registry(effect.pool)
          .jobEnded(effect.status, effect.durationMs)
          .then(() => null)
      case 'artifacts.discard':
        return deletePrefix(this.env.BUCKET, effect.prefix).then(() => null)
      case 'tracked':
        return this.#performTracked(effect.id, effect.effect)
    }
  }

  async #performTracked(id: string, effect: TrackedEffect): Promise<JobInput> {
    switch (effect.type) {
      case 'index.save':
        await saveIndexRow(this.env.DB, effect.row)
        break
      case 'registry.enqueue': {
        const { taskId, fence } = effect.dispatch
        const placed = await this.#registry(effect.pool).enqueue(effect.dispatch)
        this.#loop.handle({ type: 'task.placed', taskId, fence, ...placed })
        break
      }
      case 'registry.cancel':
        await this.#registry(effect.pool).cancel(effect.taskId, effect.fence)
        break
      case 'registry.wait': {
        const { jobId, tenantId, parameters } = effect
        const { why } = await this.#registry(effect.pool).wait({ jobId, tenantId, parameters })
        this.#loop.handle({ type: 'unselected', why })
        break
      }
      case 'registry.unwait':
        await this.#registry(effect.pool).unwait(effect.jobId)
        break
      case 'files.copy': {
        const missingKey = await this.ctx.exports.Copy.run(effect.copies)
        if (effect.isAwaited) this.#loop.handle({ type: 'copied', missingKey })
        break
      }
      case 'trace.export':
        await this.#exportTrace(effect)
        break
      case 'merge.run': {
        const { taskId, fence } = effect.merge
        const outcome = await withDeadline(this.#merge(effect.merge), MERGE_LIMIT_MS, 'merge')
        this.#loop.handle({
          type: 'task.result',
          taskId,
          fence,
          outcome,
          from: { agentId: null, runner: null },
        })
        break
      }
    }
    return { type: 'effect.answered', id }
  }

  /** A collector that refuses the trace, or stays away too long, gets it no more: the job itself is not touched. */
  async #exportTrace({ endpoint, untilMs }: Extract<TrackedEffect, { type: 'trace.export' }>): Promise<void> {
    const trace = await this.trace()
    const context = this.#loop.state.job?.spec.trace
    if (trace === null || context === undefined || Date.now() > untilMs) return
    const isTaken = await postTrace(endpoint, otlpBody(trace, context))
    if (!isTaken)
      logError('job.trace_refused', new Error('the collector refused the trace'), { job_id: trace.job_id })
  }

  async #merge(order: MergeOrder): Promise<TaskOutcome> {
    return this.ctx.exports.Merge.run(order)
  }

  async #inquire(effect: Extract<JobEffect, { type: 'registry.inquire' }>): Promise<JobInput> {
    const { taskId, fence } = effect
    const placed = await this.#registry(effect.pool).inquire(taskId, fence)
    return { type: 'task.placed', taskId, fence, ...placed }
  }

  #registry(pool: string) {
    return this.env.REGISTRY.getByName(`pool:${pool}`)
  }
}

/** The values that are not in the log, as they are now: the last value wins. */
function liveEvents(job: JobState, live: Live): JobEvent[] {
  const progress = jobProgress(job, live, Date.now())
  const events = [...live.progress].flatMap(([task_id, task]): JobEvent[] => {
    const stage = job.tasks.get(task_id)?.plan.stage
    return stage === undefined ? [] : [{ type: 'task.progress', task_id, stage, task, progress }]
  })
  if (live.partial !== null) events.push({ type: 'transcript.partial', partial: live.partial })
  return events
}

function parseLastEventId(header: string | null): number | null {
  if (header === null || !/^\d{1,9}$/.test(header)) return null
  return Number(header)
}
