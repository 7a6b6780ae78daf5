import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import type { ScriptedAgent } from './scripted-agent.ts'

export type Offer = Extract<ServerMessage, { type: 'task.offer' }>
export type Granted = Extract<ServerMessage, { type: 'task.granted' }>
export type Work = (grant: Granted) => Promise<TaskOutcome>

/** What a task met on its way, by this side's clock. */
export interface TaskTimes {
  readonly taskId: string
  readonly offeredAtMs: number
  grantedAtMs: number
  resultAtMs: number
  ackedAtMs: number
}

/** Takes every offer of an agent, does the work that the bench gives it, and sends what came of it. */
export class WorkingAgent {
  readonly agent: ScriptedAgent
  readonly #work: Work
  readonly #held: Offer[] = []
  readonly #open = new Map<string, TaskTimes>()
  #isHolding = false
  /** Called at each offer and at each ack. */
  onOffer: (offer: Offer, atMs: number) => void = () => undefined
  onAck: (times: TaskTimes) => void = () => undefined

  constructor(agent: ScriptedAgent, work: Work) {
    this.agent = agent
    this.#work = work
    agent.on((message) => this.#take(message))
  }

  /** Offers are noted and not answered, so that nothing but submits is at work. */
  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#isHolding = false
    for (const offer of this.#held.splice(0)) this.#accept(offer)
  }

  /** How many tasks are not acked. */
  get open(): number {
    return this.#open.size
  }

  #take(message: ServerMessage): void {
    if (message.type === 'task.offer') this.#offered(message, performance.now())
    if (message.type === 'task.granted') void this.#run(message)
    if (message.type === 'task.cancel') this.#open.delete(message.task_id)
    if (message.type === 'task.ack') this.#acked(message.task_id)
  }

  #offered(offer: Offer, atMs: number): void {
    const unknown = { grantedAtMs: Number.NaN, resultAtMs: Number.NaN, ackedAtMs: Number.NaN }
    this.#open.set(offer.task_id, { taskId: offer.task_id, offeredAtMs: atMs, ...unknown })
    this.onOffer(offer, atMs)
    if (this.#isHolding) this.#held.push(offer)
    else this.#accept(offer)
  }

  #accept({ task_id, fence }: Offer): void {
    this.agent.send({ type: 'task.accept', task_id, fence })
  }

  async #run(grant: Granted): Promise<void> {
    const { task_id, fence } = grant
    const times = this.#open.get(task_id)
    if (times !== undefined) times.grantedAtMs = performance.now()
    this.agent.send({ type: 'task.started', task_id, fence })
    const outcome = await this.#work(grant)
    if (times !== undefined) times.resultAtMs = performance.now()
    this.agent.send({ type: 'task.result', task_id, fence, outcome })
  }

  #acked(taskId: string): void {
    const times = this.#open.get(taskId)
    this.#open.delete(taskId)
    if (times === undefined) return
    times.ackedAtMs = performance.now()
    this.onAck(times)
  }
}

/** The cheapest end of a job: its first task fails for good. */
export const refusing: Work = async () => ({
  status: 'failed',
  error: { code: 'bench', message: 'the bench needs no more of it', retryable: false },
})
