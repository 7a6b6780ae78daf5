import type { ModelId, OperationId } from '#protocol/ids.ts'
import type { ModelOrder, OrderProgress } from '#protocol/model-order.ts'
import { aModel } from '../core/kit/builders.ts'
import type { AgentProcess } from './agent-process.ts'
import { canPull } from './config.ts'
import type { OrderNews } from './event.ts'
import type { World } from './world.ts'

/** An order as its agent knows it. */
export interface KnownOrder {
  readonly order: ModelOrder
  readonly begunMs: number
  progress: OrderProgress
}

const BYTES = 100
const QUEUED: OrderProgress = { state: 'queued', bytes_done: 0, bytes_total: null, error: null }

/**
 * What an agent does about models, as agent/models/orders.ts: an order that comes twice says its state again and is not
 * begun anew. A process that ends forgets its orders; what lies on its disk stays.
 */
export class AgentOrders {
  readonly known = new Map<OperationId, KnownOrder>()
  readonly #world: World
  readonly #agent: AgentProcess
  readonly #installed = new Set<ModelId>()
  readonly #pinned = new Set<ModelId>()

  constructor(world: World, agent: AgentProcess) {
    this.#world = world
    this.#agent = agent
  }

  get installed() {
    return [...this.#installed].map((id) => aModel(id, { pinned: this.#pinned.has(id) }))
  }

  perform(order: ModelOrder): void {
    const known = this.known.get(order.operation_id)
    if (known === undefined) {
      this.known.set(order.operation_id, { order, begunMs: this.#world.nowMs, progress: QUEUED })
      this.#world.count('orders begun')
    }
    this.#report(order, known?.progress ?? QUEUED)
  }

  cancel(id: OperationId): void {
    const known = this.known.get(id)
    if (known === undefined || isOver(known)) return
    known.progress = { ...known.progress, state: 'cancelled' }
    this.#world.count('orders ended by a cancel')
    this.#report(known.order, known.progress)
  }

  /** False when there is no such order, or it is over. */
  take(id: OperationId, news: OrderNews, percent: number): boolean {
    const known = this.known.get(id)
    if (known === undefined) return false
    if (news !== 'again') {
      if (isOver(known)) return false
      known.progress = this.#after(known, news, percent)
    }
    this.#report(known.order, known.progress)
    return true
  }

  /** The disk is another one. */
  lose(): void {
    this.#installed.clear()
    this.#pinned.clear()
  }

  #after({ order, progress }: KnownOrder, news: Exclude<OrderNews, 'again'>, percent: number): OrderProgress {
    if (news === 'failed') return failed('disk_full')
    if (news !== 'completed')
      return {
        ...progress,
        state: news,
        bytes_done: news === 'pulling' ? percent : BYTES,
        bytes_total: BYTES,
      }
    const isPull = order.action === 'pull' || order.action === 'prefetch'
    if (isPull && !canPull(this.#agent.config)) return failed('engine_missing')
    // What changed is announced before the order counts as done.
    this.#do(order)
    return { state: 'completed', bytes_done: BYTES, bytes_total: BYTES, error: null }
  }

  #do({ action, model_id }: ModelOrder): void {
    switch (action) {
      case 'pull':
      case 'prefetch':
        this.#installed.add(model_id)
        break
      case 'remove':
        this.#installed.delete(model_id)
        break
      case 'pin':
        this.#pinned.add(model_id)
        break
      case 'unpin':
        this.#pinned.delete(model_id)
    }
    this.#agent.announce()
  }

  #report({ operation_id, model_id }: ModelOrder, progress: OrderProgress): void {
    const message = { type: 'model.progress', operation_id, model_id, progress } as const
    this.#agent.step({ type: 'order.reported', message })
  }
}

export function isOver({ progress }: KnownOrder): boolean {
  return progress.state === 'completed' || progress.state === 'failed' || progress.state === 'cancelled'
}

function failed(code: string): OrderProgress {
  const error = { code, message: 'It cannot be done here.', retryable: false }
  return { state: 'failed', bytes_done: 0, bytes_total: null, error }
}
