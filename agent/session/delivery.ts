import type { z } from 'zod'
import type { TaskResult } from '#protocol/agent-messages.ts'
import { type BackoffLimits, backoffMs } from '../backoff.ts'

/**
 * One result on its way to the Job's answer. It ends only by an answer: first over the socket, once more there, then by
 * HTTP with growing pauses, then it rests; after that, or at the next welcome, it begins again. Pure.
 */
export interface Delivery {
  readonly result: z.infer<typeof TaskResult>
  readonly socketTries: number
  readonly httpTries: number
  /** When something is due; Infinity while a post is under way. */
  readonly nextMs: number
  /** Whether the registry still holds this grant for us: then its lease is extended until the answer comes. */
  readonly held: boolean
}

const SOCKET_TRIES = 2
const HTTP_TRIES = 12
/** 1, 2, 4 … 64, 120, 120, 120, 120 s: eleven pauses, at most 10 minutes together. */
export const POST_LIMITS: BackoffLimits = { baseMs: 1_000, capMs: 120_000 }
/** A socket that stays up brings no welcome, and its leases hold the task for us: without an end the job would have none. */
export const REST_MS = 600_000

export function newDelivery(result: Delivery['result'], nextMs: number, held: boolean): Delivery {
  return { result, socketTries: 0, httpTries: 0, nextMs, held }
}

/** From the beginning, at that time. */
export function restarted(delivery: Delivery, nextMs: number, held = delivery.held): Delivery {
  return newDelivery(delivery.result, nextMs, held)
}

export type Dispatch = 'socket' | 'wait' | 'post' | 'rest'

/** What a due delivery does now, and the delivery after it. Without a socket its turns pass in waiting for one. */
export function dispatch(
  delivery: Delivery,
  socketOpen: boolean,
  ackMs: number,
  nowMs: number,
): { readonly by: Dispatch; readonly delivery: Delivery } {
  if (delivery.socketTries < SOCKET_TRIES) {
    const tried = { ...delivery, socketTries: delivery.socketTries + 1, nextMs: nowMs + ackMs }
    return { by: socketOpen ? 'socket' : 'wait', delivery: tried }
  }
  if (delivery.httpTries >= HTTP_TRIES) return { by: 'rest', delivery: restarted(delivery, nowMs + REST_MS) }
  const silent = { ...delivery, nextMs: Number.POSITIVE_INFINITY }
  return { by: 'post', delivery: { ...silent, httpTries: delivery.httpTries + 1 } }
}

/** A post that got no answer: the next one after full jitter, or after what the server asked for. */
export function postponed(
  delivery: Delivery,
  random: number,
  retryAfterMs: number | null,
  nowMs: number,
): Delivery {
  return { ...delivery, nextMs: nowMs + backoffMs(delivery.httpTries - 1, random, POST_LIMITS, retryAfterMs) }
}
