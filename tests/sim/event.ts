import type { ModelAction } from '#protocol/model-order.ts'

/**
 * Everything that can happen in a simulation, as data: an execution is a configuration and a list of these. Each names what
 * it means by words that stay true when other events are taken out of the list; one that cannot happen then is passed over.
 */
export type SimEvent =
  | { readonly do: 'submit'; readonly job: number; readonly shape: number }
  | { readonly do: 'cancel' | 'delete'; readonly job: number }
  | { readonly do: 'reader'; readonly job: number; readonly what: 'comes' | 'goes' }
  /** One call or answer in flight; `nth` counts those of the same name from the oldest. */
  | {
      readonly do: 'deliver'
      readonly message: string
      readonly nth?: number
      /** For a run of merge: how it ends. */
      readonly as?: 'retryable' | 'terminal'
    }
  | { readonly do: 'drop' | 'double'; readonly message: string; readonly nth?: number }
  /** The next frame of one direction of an agent's socket, or its end; `socket` counts from the newest. */
  | {
      readonly do: 'frame'
      readonly agent: number
      readonly to: 'registry' | 'agent'
      readonly socket?: number
    }
  | { readonly do: 'cut'; readonly agent: number; readonly how: Cut }
  /** The platform finds out that a socket's other end has gone. */
  | { readonly do: 'notice'; readonly agent: number; readonly socket?: number }
  | { readonly do: 'time'; readonly ms: number }
  | { readonly do: 'alarm'; readonly of: ObjectName }
  | { readonly do: 'evict'; readonly of: ObjectName }
  /** In its next turn: after the save and before that effect, or, past the last, before its reply. */
  | { readonly do: 'crash'; readonly of: ObjectName; readonly before: number }
  | { readonly do: 'save fails'; readonly of: ObjectName }
  | { readonly do: 'outage'; readonly of: ObjectName; readonly on: boolean }
  /** Every object leaves memory and every socket breaks. */
  | { readonly do: 'deploy' }
  | { readonly do: 'start'; readonly agent: number }
  | { readonly do: 'go on'; readonly agent: number }
  | { readonly do: 'dial' | 'wake' | 'beat' | 'hang'; readonly agent: number }
  | {
      readonly do: 'kill'
      readonly agent: number
      readonly files: 'kept' | 'lost'
      /** A box without power says nothing to anyone. */
      readonly silent: boolean
    }
  | { readonly do: 'drain'; readonly agent: number; readonly limitMs: number }
  /** The operator takes it out of service, or back into it; asks it to leave; takes its credential away. */
  | { readonly do: 'cordon'; readonly agent: number; readonly on: boolean }
  | { readonly do: 'dismiss'; readonly agent: number }
  | { readonly do: 'revoke'; readonly agent: number }
  | { readonly do: 'load model'; readonly agent: number; readonly loaded: boolean }
  /** The operator orders something of a model; the same number again is the same call again. */
  | {
      readonly do: 'begin'
      readonly operation: number
      readonly action: ModelAction
      /** Which of the models. */
      readonly model: number
      /** All agents, those of the label, or one. */
      readonly target: 'fleet' | 'label' | number
    }
  /** He no longer wants it. */
  | { readonly do: 'cancel operation'; readonly operation: number }
  /** An agent is so far with an order; or it says again how far it is. */
  | {
      readonly do: 'order'
      readonly agent: number
      readonly operation: number
      readonly what: OrderNews
      readonly percent?: number
    }
  /** It says so of an order, a model too maybe, with which it has nothing to do. */
  | {
      readonly do: 'lie of order'
      readonly agent: number
      readonly operation: number
      readonly model: number
      readonly state: 'pulling' | 'completed' | 'failed'
    }
  | {
      readonly do: 'engine'
      readonly agent: number
      readonly task: string
      readonly fence: number
      readonly what: EngineNews
      readonly percent?: number
    }
  | {
      readonly do: 'lie'
      readonly agent: number
      readonly lie: Lie
      readonly task: string
      readonly fence: number
      readonly n?: number
    }

/** `registry`, or `job 3`. */
export type ObjectName = string

export const CUTS = ['both', 'agent', 'up', 'down', 'silent'] as const
/** Both ends broken; given up by the agent; or silently dead: to the registry, to the agent, both. */
export type Cut = (typeof CUTS)[number]

export const ENGINE_NEWS = [
  'report',
  'done',
  'two channels',
  'retryable',
  'terminal',
  'handed back',
  'wrong summary',
  'foreign artifact',
] as const
export type EngineNews = (typeof ENGINE_NEWS)[number]

export const ORDER_NEWS = ['pulling', 'verifying', 'loading', 'completed', 'failed', 'again'] as const
export type OrderNews = (typeof ORDER_NEWS)[number]

export const LIES = ['result', 'failure', 'progress', 'start', 'accept', 'extend', 'hello'] as const
/** What an agent says of a task and fence whether or not it has anything to do with it. */
export type Lie = (typeof LIES)[number]
