import type { Effect, SessionEvent, SessionState } from '#agent/session/state.ts'
import { grantKey } from '#agent/session/state.ts'
import { newSession, nextWakeMs, step } from '#agent/session.ts'
import {
  type AgentMessage,
  type Grant,
  PROTOCOL_VERSION,
  type ServerMessage,
} from '#protocol/agent-messages.ts'
import { AgentId } from '#protocol/ids.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import { aGranted, anOffer } from './agents.ts'
import { ENGINES, PREPARE_SUMMARY } from './engines.ts'

export const engines = ENGINES.map(({ manifest }) => ({ manifest, device: 'cpu', slots: 1, models: [] }))
export const DONE: TaskOutcome = {
  status: 'completed',
  artifacts: [],
  summary: PREPARE_SUMMARY,
  metrics: { transfer_ms: 0, swap_ms: 0, load_ms: 0, run_ms: 0 },
}

/** A session that is driven by hand: a virtual clock, and everything that it ordered. */
export class Walk {
  state: SessionState
  nowMs = 1_000
  effects: readonly Effect[] = []

  constructor(slots = 1) {
    const identity = {
      version: '1',
      platform: 'test',
      slots,
      memoryMib: 4096,
      labels: [],
      drainLimitMs: 300_000,
    }
    this.state = newSession({ identity, engines, modelsFreeBytes: null, unanswered: [] }, this.nowMs)
  }

  do(event: SessionEvent): this {
    const next = step(this.state, event, this.nowMs)
    this.state = next.state
    this.effects = next.effects
    return this
  }

  hear(message: ServerMessage): this {
    return this.do({ type: 'message', message })
  }

  /** Lets time pass, waking as the shell would; gathers the effects of all wakes. */
  wait(ms: number): this {
    const untilMs = this.nowMs + ms
    const effects: Effect[] = []
    for (let wake = nextWakeMs(this.state); wake !== null && wake <= untilMs; wake = nextWakeMs(this.state)) {
      this.nowMs = Math.max(this.nowMs, wake)
      effects.push(...this.do({ type: 'wake' }).effects)
      if (effects.some((effect) => effect.type === 'leave')) break
    }
    this.nowMs = untilMs
    this.effects = effects
    return this
  }

  up(resume: Grant[] = []): this {
    return this.do({ type: 'link.opened' }).hear({
      type: 'agent.welcome',
      protocol: PROTOCOL_VERSION,
      agent_id: AgentId.parse('agent_01jd0000000000000000000000'),
      session_id: 's',
      heartbeat_ms: 10_000,
      lease_ms: 30_000,
      lease_extend_ms: 7_500,
      result_ack_ms: 5_000,
      resume,
    })
  }

  running(grant: Grant): this {
    return this.hear(anOffer(grant)).hear(aGranted(grant))
  }

  end(grant: Grant, outcome: TaskOutcome = DONE): this {
    return this.do({ type: 'task.ended', grant, outcome })
  }

  report(grant: Grant, percent: number): this {
    return this.do({
      type: 'task.reported',
      grant,
      report: { progress: { percent, message: null }, partial: null },
    })
  }

  get sent(): AgentMessage[] {
    return this.effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
  }

  get ordered(): string[] {
    return this.effects.map((effect) => (effect.type === 'send' ? effect.message.type : effect.type))
  }

  kindOf(grant: Grant): string {
    return this.state.tasks.get(grantKey(grant))?.kind ?? 'none'
  }
}

export const ack = (grant: Grant, answer: 'accepted' | 'stale') =>
  ({ type: 'task.ack', ...grant, answer }) as const
