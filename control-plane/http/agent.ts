import { TaskResult } from '#protocol/agent-messages.ts'
import { JoinRequest } from '#protocol/api.ts'
import { joinAgent, rotateCredential } from '../actions/agent-credentials.ts'
import { acceptResult, connectAgent } from '../actions/fleet.ts'
import { ProblemError } from '../problem-error.ts'
import { json, parse } from './answers.ts'
import { credentialOver, invitationOver } from './auth.ts'
import { drain, readJson } from './body.ts'
import type { AgentContext, JoinContext } from './context.ts'

/** What agents call. A join token is good for `join` only; every other route takes the agent's own credential. */
export async function join({ request, env, invitation }: JoinContext): Promise<Response> {
  const { name } = parse(JoinRequest, await readJson(request), 'request')
  const joined = await joinAgent(env, invitation, name)
  if (joined === null) throw invitationOver('ended just now')
  return json(joined, 201)
}

/** A new credential for the one that asks. */
export async function rotate({ request, env, agent }: AgentContext): Promise<Response> {
  await drain(request)
  const credential = await rotateCredential(env, agent)
  if (credential === null) throw credentialOver()
  return json({ agent_id: agent.id, credential }, 201)
}

export async function connect({ request, env, agent }: AgentContext): Promise<Response> {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
    throw new ProblemError('invalid_request', 'Expected a WebSocket upgrade.')
  }
  const response = await connectAgent(env, agent, request)
  if (response === null) throw credentialOver()
  return response
}

export async function result({ request, env, agent }: AgentContext): Promise<Response> {
  const { task_id, fence, outcome } = parse(TaskResult, await readJson(request), 'result')
  const answer = await acceptResult(env, agent, { taskId: task_id, fence, outcome })
  return json({ type: 'task.ack', task_id, fence, answer })
}
