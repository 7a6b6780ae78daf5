import type { RegistryEffect } from '#core/registry/effects.ts'
import type { ServerMessage } from '#protocol/agent-messages.ts'
import type { TaskId } from '#protocol/ids.ts'
import { mintTaskToken } from '../access/task-token.ts'

/** A token outlives its lease by this much, so that an upload that began in time can end. */
const TOKEN_GRACE_MS = 120_000

type Effect<Type extends RegistryEffect['type']> = Extract<RegistryEffect, { type: Type }>

/** Signs task tokens into what agents are sent: each is good for one task, one fence and one lease. */
export class TokenSigner {
  readonly #secret: string
  readonly #leaseMs: number

  constructor(secret: string, leaseMs: number) {
    this.#secret = secret
    this.#leaseMs = leaseMs
  }

  async granted(message: Effect<'send.granted'>['message']): Promise<ServerMessage> {
    const { task_id, fence, output_prefix, lease_until_ms } = message
    return { ...message, token: await this.#token(task_id, fence, output_prefix, lease_until_ms) }
  }

  async leases({ leases, lost }: Effect<'send.leases'>): Promise<ServerMessage> {
    const signed = await Promise.all(
      leases.map(async ({ outputPrefix, ...lease }) => ({
        ...lease,
        token: await this.#token(lease.task_id, lease.fence, outputPrefix, lease.lease_until_ms),
      })),
    )
    return { type: 'lease.extended', leases: signed, lost: [...lost] }
  }

  #token(taskId: TaskId, fence: number, outputPrefix: string, leaseUntilMs: number): Promise<string> {
    const expiresAtMs = leaseUntilMs + TOKEN_GRACE_MS + this.#leaseMs
    return mintTaskToken(this.#secret, { taskId, fence, outputPrefix, expiresAtMs })
  }
}
