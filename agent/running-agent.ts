/** An agent in this process. `ended` resolves once, when nothing of it is left. */
export interface RunningAgent {
  /** Resolves at the first welcome; never, when the agent ends before. */
  readonly ready: Promise<void>
  readonly ended: Promise<AgentEnd>
  /** Starts the engines' children now, so that a first task does not wait for a process. */
  warm(): void
  /** Ends it in order; a second call hands back what still runs. */
  drain(reason: string, limitMs?: number): void
  /** Ends it now: children are killed, unanswered results stay on disk. */
  stop(): Promise<AgentEnd>
}

export interface AgentEnd {
  /** 0 drained, 1 failed, 4 the credential or token was refused. */
  readonly exitCode: 0 | 1 | 4
  readonly sentence: string | null
}
