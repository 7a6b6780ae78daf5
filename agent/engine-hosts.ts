import type { Device } from '#engines/engine.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { TaskError } from '#protocol/task.ts'
import { type Answer, EngineHost } from './engine-host.ts'
import type { EngineList } from './engine-list.ts'
import type { RunOrder } from './host-messages.ts'
import { type Log, sentenceOf } from './log.ts'
import { type ModelShelf, needsOf } from './model-shelf.ts'
import type { Report } from './progress.ts'
import { type Asked, Residents, type Waiting } from './residency/residents.ts'
import { FIRST_TRY, nextTry, OUT_OF_MEMORY, sentenceOfTry, type Try } from './residency/tries.ts'

/**
 * All engine children of this agent, and the models in them: a task is run in a child that has its model, which is loaded
 * first where it is not. An engine has one child; with more slots than one it gets another when all of its children are
 * busy.
 */
export interface EngineHostsOptions {
  readonly abortGraceMs: number
  readonly log: Log
  readonly nowMs: () => number
  readonly models: ModelShelf
  /** What each child may use. */
  readonly threads: number
  readonly device: Device
  readonly memoryMib: number
  /** Null: not counted. */
  readonly vramMib: number | null
  /** How long a model stays in memory without work; null is for ever. */
  readonly keepAliveSeconds: number | null
  /** What is loaded, or what a model was measured to take, has changed. */
  readonly onChanged: () => void
}

export interface HostedWork extends Omit<RunOrder, 'type' | 'request' | 'batchScale'> {
  readonly engineId: string
}

export interface HostedRun {
  readonly summary: StageSummary
  readonly swapMs: number
  readonly loadMs: number
  readonly runMs: number
}

type Tried = Answer<HostedRun> & { readonly during: 'load' | 'run' }

export class EngineHosts {
  readonly #engines: EngineList
  readonly #options: EngineHostsOptions
  readonly #residents: Residents
  readonly #ending = new AbortController()
  #announced = ''

  constructor(engines: EngineList, options: EngineHostsOptions) {
    this.#engines = engines
    this.#options = options
    const { memoryMib, vramMib, log, nowMs, models, device } = options
    this.#residents = new Residents({
      budget: { memoryMib, vramMib },
      newHost: (engineId, onExit) => this.#newHost(engineId, onExit),
      isPinned: (modelId) => models.isPinned(modelId),
      identityOf: (modelId) => models.identityOf(modelId),
      isGpu: device !== 'cpu',
      onChanged: () => this.#announce(),
      log,
      nowMs,
    })
  }

  /**
   * Runs one task; never rejects. What it waits for is reported: first that the model is loaded, then what the engine says.
   * Out of memory it tries again, alone and then with smaller batches.
   */
  async run(
    work: HostedWork,
    signal: AbortSignal,
    onReport: (report: Report) => void,
  ): Promise<Answer<HostedRun>> {
    using _use = work.modelId === null ? null : this.#options.models.use(work.modelId)
    const asked = await this.#asked(work.engineId, work.modelId)
    if (!asked.ok) return asked
    for (let attempt: Try | null = FIRST_TRY; ; ) {
      const tried: Tried = await this.#try(work, asked, attempt, signal, onReport)
      if (tried.ok || tried.error.code !== OUT_OF_MEMORY || signal.aborted) return tried
      this.#options.log('task.out_of_memory', { engine_id: work.engineId, batch_scale: attempt.batchScale })
      attempt = nextTry(attempt, tried.during)
      if (attempt === null) return { ok: false, error: outOfMemory(tried.error) }
      onReport(saying(sentenceOfTry(attempt)))
    }
  }

  /**
   * Loads a model ahead of its first task. `keepAliveSeconds: null` is the agent's own keep-alive. Never rejects; an error
   * says why it is not in memory.
   */
  async prefetch(modelId: string, keepAliveSeconds: number | null): Promise<Answer<object>> {
    using _use = this.#options.models.use(modelId)
    const asked = await this.#asked(null, modelId)
    if (!asked.ok) return asked
    const keepAliveMs = keepAliveSeconds === null ? asked.keepAliveMs : keepAliveSeconds * 1000
    const leastMs = keepAliveSeconds === null ? PREFETCHED_MS : 0
    const answer = await this.#residents.prefetch({ ...asked, keepAliveMs, leastMs }, this.#ending.signal)
    const code = answer.ok ? null : answer.error.code
    this.#options.log('model.prefetched', { model_id: modelId, error: code })
    return answer
  }

  /** Starts a child of each engine, so that the first task does not wait for a process. */
  warm(engineIds: readonly string[]): void {
    for (const engineId of engineIds) this.#residents.warm(engineId)
  }

  /** To be called when a pin, or a model on the disk, changed. */
  settle(): void {
    this.#residents.settle()
  }

  loadedModels(): ReadonlySet<string> {
    return this.#residents.loaded
  }

  /** What a model was measured to take in memory; null when it was never loaded here. */
  measuredMib(modelId: string): number | null {
    return this.#residents.measuredMib(modelId)
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#residents.stop()
  }

  async #try(
    work: HostedWork,
    asked: Asked,
    attempt: Try,
    signal: AbortSignal,
    onReport: (report: Report) => void,
  ): Promise<Tried> {
    const { engineId: _, ...order } = work
    if (attempt.alone) await this.#residents.clearOthers(work.modelId, signal)
    const acquired = await this.#residents.acquire(asked, signal, (why) =>
      onReport(saying(sentenceOfWait(why, work.modelId))),
    )
    if (!acquired.ok) return { ...acquired, during: 'load' }
    const { lane } = acquired
    try {
      const answer = await lane.host.run({ ...order, batchScale: attempt.batchScale }, signal, onReport)
      if (!answer.ok) return { ...answer, during: 'run' }
      const { summary, runMs } = answer
      const [swapMs, loadMs] = [Math.round(acquired.swapMs), Math.round(acquired.loadMs)]
      return { ok: true, during: 'run', summary, swapMs, loadMs, runMs }
    } finally {
      this.#residents.release(lane)
    }
  }

  /** `engineId: null`: the one that the model's catalog entry names. */
  async #asked(engineId: string | null, modelId: string | null): Promise<Answer<Asked>> {
    const { models, threads, device, keepAliveSeconds } = this.#options
    const keepAliveMs = keepAliveSeconds === null ? Number.POSITIVE_INFINITY : keepAliveSeconds * 1000
    if (modelId === null) return { ok: true, engineId: engineId ?? '', model: null, keepAliveMs }
    try {
      const resolved = await models.resolve(modelId)
      if (!resolved.ok) return resolved
      const { catalog, folder, identity } = resolved.model
      if (!this.#engines.some(({ manifest }) => manifest.id === (engineId ?? catalog.engine)))
        return { ok: false, error: noEngine(catalog) }
      const hosted = { id: catalog.id, runtimeModelId: catalog.runtime_model_id, folder, threads, device }
      const model = { ...hosted, identity, needs: await needsOf(resolved.model, device) }
      return { ok: true, engineId: engineId ?? catalog.engine, model, keepAliveMs }
    } catch (error) {
      return { ok: false, error: { code: 'agent_error', message: sentenceOf(error), retryable: true } }
    }
  }

  #newHost(engineId: string, onExit: () => void): EngineHost {
    const engine = this.#engines.find(({ manifest }) => manifest.id === engineId)
    if (engine === undefined) throw new Error(`this agent has no engine ${engineId}`)
    const { abortGraceMs, log } = this.#options
    return new EngineHost({ engine, abortGraceMs, log, onExit })
  }

  #announce(): void {
    const loaded = [...this.loadedModels()].sort()
    const now = JSON.stringify(loaded.map((modelId) => [modelId, this.measuredMib(modelId)]))
    if (now === this.#announced) return
    this.#announced = now
    this.#options.onChanged()
  }
}

/** A job's next task comes within a minute or two of the one before it, however short the keep-alive is. */
const PREFETCHED_MS = 120_000

function noEngine({ id, engine }: CatalogModel): TaskError {
  const message = `The model ${id} is for the engine ${engine}, which this agent does not have.`
  return { code: 'engine_missing', message, retryable: true }
}

function sentenceOfWait(why: Waiting, modelId: string | null): string {
  return why === 'load' ? `loading the model ${modelId}` : `waiting for memory for the model ${modelId}`
}

function saying(message: string): Report {
  return { progress: { percent: null, message: message.slice(0, 300) }, partial: null }
}

/** Retryable, because another agent may have more memory. */
function outOfMemory({ message }: TaskError): TaskError {
  return {
    code: OUT_OF_MEMORY,
    message: `The machine's memory is too small for this task. ${message}`.slice(0, 2000),
    retryable: true,
  }
}
