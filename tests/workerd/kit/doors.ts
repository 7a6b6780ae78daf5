import { CreatedJoinToken } from '#protocol/api.ts'
import { mintTaskToken } from '../../../control-plane/access/task-token.ts'
import type { Route } from '../../../control-plane/http/routes.ts'
import { ScriptedAgent } from './agent.ts'
import { callJson, submitted } from './api.ts'
import type { Server } from './server.ts'

/** Words that must stand in no log: in a name, a transcript, a credential. */
export const CANARY = 'canary-078-05-1120'

/** A job with a task that is granted, and one credential of each kind, with task tokens that are not good. */
export type Doors = Awaited<ReturnType<typeof openDoors>>

export async function openDoors(server: Server) {
  const agent = await ScriptedAgent.connect(server, { name: CANARY, slots: 1000 })
  const { id: jobId } = await submitted(server, { name: CANARY })
  const grant = await agent.accept(jobId, 'prepare')
  const created = await callJson(server, '/v1/agents/tokens', {})
  const { token: join } = CreatedJoinToken.parse(await created.json())
  const claims = { taskId: grant.task_id, fence: 1, outputPrefix: grant.output_prefix }
  const tokens: Record<Route['credential'] | 'tampered' | 'expired' | 'foreign', string> = {
    none: '',
    key: server.key,
    join,
    agent: agent.joined.credential,
    task: grant.token,
    tampered: `${grant.token.slice(0, -2)}AA`,
    expired: await mintTaskToken(server.tokenSecret, { ...claims, expiresAtMs: Date.now() - 1 }),
    foreign: await mintTaskToken('x'.repeat(32), { ...claims, expiresAtMs: Date.now() + 60_000 }),
  }
  return { agent, jobId, grant, tokens }
}

/** A path of a route, with the job and artifact behind the doors, or other values for its parameters. */
export function pathOf(doors: Doors, route: Route, values: Readonly<Record<string, string>> = {}): string {
  const known: Record<string, string> = { id: doors.jobId, number: '1', format: 'txt', rest: 'x', ...values }
  known.key ??= `${doors.grant.output_prefix}x`
  return route.path.replace(/:(\w+)\+?/g, (_all, name: string) => known[name] ?? name)
}

export function hasBody(route: Route): boolean {
  return route.method === 'POST' || route.method === 'PUT'
}
