import { EngineError } from '#engines/engine.ts'
import type { ModelId, OperationId } from '#protocol/ids.ts'
import type { ModelOrder, ModelProgress, OrderProgress, OrderState } from '#protocol/model-order.ts'
import type { TaskError } from '#protocol/task.ts'
import type { EngineList } from '../engine-list.ts'
import { type Log, sentenceOf } from '../log.ts'
import { diskError, modelError } from './model-error.ts'
import type { Models, PullListener } from './models.ts'
import { isDue, type SentProgress } from './order-throttle.ts'

export interface OrderTools {
  readonly models: Models
  /** The engines of this agent: a model of another one would lie here unused. */
  readonly engines: EngineList
  /** Loads a model that is on the disk. */
  readonly prefetch: (
    modelId: ModelId,
    keepAliveSeconds: number | null,
  ) => Promise<{ readonly ok: true } | { readonly ok: false; readonly error: TaskError }>
  readonly report: (message: ModelProgress) => void
  readonly dataFolder: string
  readonly nowMs: () => number
  readonly log: Log
}

interface KnownOrder {
  readonly abort: AbortController
  sent: SentProgress | null
  readonly done: Promise<void>
}

/** So many finished orders are answered from memory when they come again; older ones are simply done again. */
const REMEMBERED = 1_000

const ENDED: ReadonlySet<OrderState> = new Set(['completed', 'failed', 'cancelled'])

/** The server's orders about models. Each may come twice: what runs or ran says its state again, and is not begun anew. */
export class ModelOrders {
  readonly #tools: OrderTools
  readonly #orders = new Map<OperationId, KnownOrder>()

  constructor(tools: OrderTools) {
    this.#tools = tools
  }

  /** Resolves when the order is over; its outcome is what was reported last. */
  perform(order: ModelOrder): Promise<void> {
    const known = this.#orders.get(order.operation_id)
    if (known !== undefined) {
      if (known.sent !== null) this.#report(order, known.sent.progress)
      return known.done
    }
    const fresh: KnownOrder = {
      abort: new AbortController(),
      sent: null,
      // A turn later, so that it is known by its id before it says anything.
      done: Promise.resolve().then(() => this.#run(order, fresh)),
    }
    this.#orders.set(order.operation_id, fresh)
    this.#forgetOld()
    return fresh.done
  }

  /** Nobody wants it any more: its pull ends, unless another order wants that. What is no pull goes to its end. */
  cancel(id: OperationId): void {
    const message = 'The order was cancelled.'
    this.#orders.get(id)?.abort.abort(modelError('order_cancelled', message, true))
  }

  async #run(order: ModelOrder, known: KnownOrder): Promise<void> {
    const { log, nowMs } = this.#tools
    const { operation_id, action, model_id } = order
    const tell = (progress: Partial<OrderProgress> & Pick<OrderProgress, 'state'>) => {
      const last = known.sent?.progress ?? { bytes_done: 0, bytes_total: null }
      const next = { ...last, error: null, ...progress }
      if (!isDue(known.sent, next, nowMs())) return
      known.sent = { progress: next, atMs: nowMs() }
      this.#report(order, next)
    }
    log('order.started', { operation_id, action, model_id })
    try {
      tell({ state: 'queued' })
      await this.#perform(order, tell, known.abort.signal)
      tell({ state: 'completed' })
      log('order.ended', { operation_id, code: null })
    } catch (error) {
      const { code, message, retryable } = taskErrorOf(error, this.#tools.dataFolder)
      const isCancelled = known.abort.signal.aborted
      tell(isCancelled ? { state: 'cancelled' } : { state: 'failed', error: { code, message, retryable } })
      log('order.ended', { operation_id, code, message })
    }
  }

  async #perform(
    order: ModelOrder,
    tell: (progress: Partial<OrderProgress> & Pick<OrderProgress, 'state'>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted()
    const { models, prefetch } = this.#tools
    const { model_id, keep_alive_seconds } = order
    switch (order.action) {
      case 'pull':
        return this.#pull(order, tell, signal)
      case 'prefetch': {
        await this.#pull(order, tell, signal)
        signal.throwIfAborted()
        tell({ state: 'loading' })
        const loaded = await prefetch(model_id, keep_alive_seconds)
        if (!loaded.ok) throw new EngineError(loaded.error)
        return
      }
      case 'remove':
        return models.remove(model_id)
      case 'pin':
        await models.entryOf(model_id, order.entry)
        return models.setPinned(model_id, true)
      case 'unpin':
        return models.setPinned(model_id, false)
    }
  }

  async #pull(
    order: ModelOrder,
    tell: (progress: Partial<OrderProgress> & Pick<OrderProgress, 'state'>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const entry = await this.#tools.models.entryOf(order.model_id, order.entry)
    if (!this.#tools.engines.some(({ manifest }) => manifest.id === entry.engine)) {
      const message = `${entry.id} is for the engine ${entry.engine}, which this agent does not have.`
      throw modelError('engine_missing', message, false)
    }
    const listener: PullListener = ({ waits, progress }) => {
      if (waits) tell({ state: 'queued' })
      else if (progress === null) tell({ state: 'pulling' })
      else {
        const { state, bytesDone, bytesTotal } = progress
        tell({ state, bytes_done: bytesDone, bytes_total: bytesTotal })
      }
    }
    await this.#tools.models.pull(entry, listener, signal)
  }

  #report({ operation_id, model_id }: ModelOrder, progress: OrderProgress): void {
    this.#tools.report({ type: 'model.progress', operation_id, model_id, progress })
  }

  #forgetOld(): void {
    for (const [id, { sent }] of this.#orders) {
      if (this.#orders.size <= REMEMBERED) return
      if (sent !== null && ENDED.has(sent.progress.state)) this.#orders.delete(id)
    }
  }
}

function taskErrorOf(error: unknown, dataFolder: string): TaskError {
  const known = diskError(error, dataFolder)
  if (known instanceof EngineError) return known.taskError
  return { code: 'agent_error', message: sentenceOf(error), retryable: true }
}
