import type { JobInput, JobReply } from '#core/job/input.ts'
import type { Step } from '#core/machine.ts'
import type { RegistryEffect } from '#core/registry/effects.ts'
import type { RegistryInput, RegistryReply } from '#core/registry/input.ts'
import { type NewOperation, orderable } from '#core/registry/operations.ts'
import { grantedTo, type RegistryState, runnerOf } from '#core/registry/state.ts'
import { DEFAULTS } from '#core/settings.ts'
import type { Answer, Loop } from '#objects/loop.ts'
import { endOf, inputOf } from '#objects/told.ts'
import { CLOSE_CODES, type ServerMessage } from '#protocol/agent-messages.ts'
import type { AgentId, JobId } from '#protocol/ids.ts'
import type { OrderTarget } from '#protocol/model-order.ts'
import { agentIdOf, grantOf, numberOf, shortOf, stageOf } from './names.ts'
import { RegistryWatch } from './registry-watch.ts'
import { SimObject } from './sim-object.ts'
import type { Socket } from './socket.ts'
import type { World } from './world.ts'

/** RFC 6455: what a socket is closed with whose frame, or opening, could not be handled. */
export const INTERNAL_ERROR = 1011

/** Small, so that it is reached. */
const QUEUE_LIMIT = 3

type RegistryLoop = Loop<RegistryState, RegistryInput, RegistryEffect, RegistryReply>
type ResultEffect = Omit<Extract<RegistryEffect, { type: 'job.result' }>, 'type'>
type ResultAnswered = Extract<RegistryInput, { type: 'result.answered' }>

/** The Registry object: what objects/registry.ts does with the platform, done with the simulated one. */
export class RegistryObject extends SimObject<RegistryState, RegistryInput, RegistryEffect, RegistryReply> {
  readonly watch: RegistryWatch
  /** What fails the HTTP requests that wait for a Job's answer here. */
  readonly #posts = new Set<() => void>()

  constructor(world: World) {
    super(world, 'registry')
    this.watch = new RegistryWatch(world, this)
  }

  protected readonly soonMs = Math.max(DEFAULTS.offerMs, DEFAULTS.startMs)

  protected get machine() {
    return this.world.registryMachine
  }

  /** The HTTP way of a result: the answer goes to the registry first, then to who posted it. */
  post(effect: Omit<ResultEffect, 'runner'>, answered: (answer: JobReply) => void, failed: () => void): void {
    const broken = (): void => {
      if (this.#posts.delete(broken)) failed()
    }
    this.#posts.add(broken)
    const told = this.isOut
      ? { ok: false }
      : this.turn((loop) => {
          const grant = { task_id: effect.taskId, fence: effect.fence }
          const granted = grantedTo(loop.state, effect.agentId, grant)
          this.#forward({ ...effect, runner: granted === null ? null : runnerOf(granted) }, 'posted result', {
            ok: (input) => {
              if (input?.type !== 'result.answered') return
              loop.handle(input)
              if (!this.isDying && this.#posts.delete(broken)) answered(input.answer)
            },
            failed: broken,
          })
        })
    if (!told.ok) broken()
  }

  /** A new socket: of those that have not said hello an agent has one. */
  accept(socket: Socket): void {
    const agentId = agentIdOf(socket.agent)
    const told = this.turn((loop) => {
      const greeted = loop.state.agents.get(agentId)?.session?.id
      for (const other of this.world.sockets) {
        const isOlder = other.agent === socket.agent && other !== socket
        if (isOlder && other.sessionId !== greeted) other.close(CLOSE_CODES.replaced)
      }
      loop.handle({ type: 'agent.connected', agentId, sessionId: socket.sessionId })
    })
    if (!told.ok) socket.close(INTERNAL_ERROR)
  }

  /** An operator's operation: its agents are chosen, and it begins, in one turn. */
  begin(operation: NewOperation, target: OrderTarget, own: readonly AgentId[]): void {
    this.turn((loop) => {
      const asked = orderable(loop.state, target, own, QUEUE_LIMIT)
      if (!asked.ok) {
        this.world.count(`operations refused: ${asked.reason}`)
        return
      }
      this.watch.operations.asked(operation.id, target)
      const { agentIds, full } = asked
      loop.handle({ type: 'operation.begin', operation, agentIds, full })
    })
  }

  /** The credential of an agent is no longer valid: its sockets go, also those that have not said hello yet. */
  revoke(agentId: AgentId): boolean {
    const told = this.tell({ type: 'revoke', agentId })
    if (!told.ok) return false
    for (const socket of this.world.sockets) {
      if (agentIdOf(socket.agent) === agentId) socket.close(CLOSE_CODES.badToken)
    }
    return true
  }

  protected override load(): RegistryState {
    const { world } = this
    const connected = new Set(world.sockets.filter((one) => one.isServerOpen).map((one) => one.sessionId))
    const { state, changes } = world.product.loadRegistry(
      this.disk.read(),
      connected,
      world.nowMs,
      this.pongs,
    )
    this.disk.write(changes)
    this.watch.loaded(state)
    return state
  }

  protected override started(loop: RegistryLoop): void {
    loop.handle(this.wakeInput())
  }

  /** When each agent's last ping was answered. */
  get pongs(): ReadonlyMap<AgentId, number> {
    const pongs = new Map<AgentId, number>()
    for (const { agent, pongMs, isServerOpen } of this.world.sockets) {
      if (isServerOpen && pongMs !== null) pongs.set(agentIdOf(agent), pongMs)
    }
    return pongs
  }

  protected override wakeInput(): RegistryInput {
    return { type: 'wake', pongs: this.pongs }
  }

  protected override effectId(effect: RegistryEffect): string | null {
    return effect.type === 'tracked' ? effect.id : null
  }

  protected override committed(
    input: RegistryInput,
    step: Step<RegistryState, RegistryEffect, RegistryReply>,
  ): void {
    this.watch.committed(input, step)
  }

  protected override forgotten(state: RegistryState, isSaved: boolean): void {
    this.watch.forgotten(isSaved ? state : null)
    for (const broken of [...this.#posts]) broken()
  }

  protected override perform(effect: RegistryEffect, answer: Answer<RegistryInput>): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.agentId, effect.message)
        break
      case 'send.granted': {
        const { task_id, fence } = effect.message
        // The token is signed in a moment; which socket is the agent's then decides.
        this.later(`sign grant ${grantOf(shortOf(task_id), fence)}`, () =>
          this.#send(effect.agentId, { ...effect.message, token: 't' }),
        )
        break
      }
      case 'send.leases': {
        const leases = effect.leases.map(({ outputPrefix: _prefix, ...lease }) => ({ ...lease, token: 't' }))
        this.later(`sign leases of agent ${numberOf(effect.agentId)}`, () =>
          this.#send(effect.agentId, { type: 'lease.extended', leases, lost: [...effect.lost] }),
        )
        break
      }
      case 'close':
        for (const socket of this.#socketsOf(effect.sessionId)) socket.close(effect.code)
        break
      case 'job.progress': {
        const { jobId, ...progress } = effect
        const name = `progress ${effect.n} of ${grantOf(shortOf(effect.taskId), effect.fence)}`
        this.#tell(name, jobId, { ...progress, type: 'task.progress' }, () => [], answer)
        break
      }
      case 'job.waits': {
        const { jobId, why } = effect
        this.#tell(`waits job${numberOf(jobId)}`, jobId, { type: 'unselected', why }, () => [], answer)
        break
      }
      case 'job.result':
        this.#forward(effect, 'result', answer)
        break
      case 'tracked': {
        const { id, effect: told } = effect
        const about = 'taskId' in told ? `.${stageOf(told.taskId)}#${told.fence}` : ''
        const name = `${told.type.slice(4)} job${numberOf(told.jobId)}${about}`
        const answered = (reply: JobReply): RegistryInput[] => [
          { type: 'effect.answered', id, answer: reply },
        ]
        this.#tell(name, told.jobId, inputOf(told), answered, answer)
      }
    }
  }

  #forward(effect: ResultEffect, word: string, answer: Answer<RegistryInput>): void {
    const { agentId, jobId, taskId, fence, outcome, runner } = effect
    const answered = (reply: JobReply): [ResultAnswered] => [
      {
        type: 'result.answered',
        agentId,
        taskId,
        fence,
        ...endOf(outcome),
        answer: reply,
      },
    ]
    const input: JobInput = { type: 'task.result', taskId, fence, outcome, from: { agentId, runner } }
    const name = `${word} of agent ${numberOf(agentId)} for ${grantOf(shortOf(taskId), fence)}`
    this.#tell(name, jobId, input, answered, answer)
  }

  #tell(
    name: string,
    jobId: JobId,
    input: JobInput,
    inputs: (reply: JobReply) => readonly RegistryInput[],
    answer: Answer<RegistryInput>,
  ): void {
    this.call(name, () => this.world.jobOf(numberOf(jobId)).tell(input), inputs, answer)
  }

  #send(agentId: AgentId, message: ServerMessage): void {
    const sessionId = this.state?.agents.get(agentId)?.session?.id
    for (const socket of this.#socketsOf(sessionId)) socket.sendDown(message, this.world.nowMs)
  }

  #socketsOf(sessionId: string | undefined): Socket[] {
    return this.world.sockets.filter((socket) => socket.sessionId === sessionId)
  }
}
