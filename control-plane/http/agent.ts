import { TaskResult } from '#protocol/agent-messages.ts'
import { JoinRequest } from '#protocol/api.ts'
import { joinAgent } from '../actions/access.ts'
import { acceptResult, connectAgent } from '../actions/fleet.ts'
import { ProblemError } from '../problem-error.ts'
import { json, parse, readJson } from './answers.ts'
import { bearer } from './auth.ts'
import type { AgentContext, OpenContext } from './context.ts'

/** What agents call. The join token is the credential of `join`; every other route takes the agent's own. */
export async function join({ request, env }: OpenContext): Promise<Response> {
  const { name } = parse(JoinRequest, await readJson(request), 'request')
  return json(await joinAgent(env, bearer(request) ?? '', name), 201)
}

export async function connect({ request, env, agent }: AgentContext): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    throw new ProblemError('invalid_request', 'Expected a WebSocket upgrade.')
  }
  return connectAgent(env, agent, request)
}

export async function result({ request, env, agent }: AgentContext): Promise<Response> {
  const { task_id, fence, outcome } = parse(TaskResult, await readJson(request), 'result')
  const reply = await acceptResult(env, agent, { taskId: task_id, fence, outcome })
  const isAck = reply === 'accepted' || reply === 'duplicate' || reply === 'gone'
  return json({ type: 'task.ack', task_id, fence, answer: isAck ? reply : 'stale' })
}
