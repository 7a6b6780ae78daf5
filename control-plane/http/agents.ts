import { DrainAgent } from '#protocol/api.ts'
import { AgentId } from '#protocol/ids.ts'
import { drainAgent, listAgents, readAgent, removeAgent, undrainAgent } from '../actions/agents.ts'
import { notFound } from '../problem-error.ts'
import { json, noContent, parse } from './answers.ts'
import { drain as dropBody, readJson } from './body.ts'
import type { KeyContext } from './context.ts'

/** The tenant's agents: what they are, and in and out of service. */
export async function list({ env, caller }: KeyContext): Promise<Response> {
  return json({ agents: await listAgents(env, caller) })
}

export async function read(context: KeyContext): Promise<Response> {
  return json(await readAgent(context.env, context.caller, agentIdOf(context)))
}

export async function drain(context: KeyContext): Promise<Response> {
  const agentId = agentIdOf(context)
  const wanted = parse(DrainAgent, await readJson(context.request), 'request')
  return json(await drainAgent(context.env, context.caller, agentId, wanted))
}

export async function undrain(context: KeyContext): Promise<Response> {
  await dropBody(context.request)
  return json(await undrainAgent(context.env, context.caller, agentIdOf(context)))
}

export async function remove(context: KeyContext): Promise<Response> {
  await removeAgent(context.env, context.caller, agentIdOf(context))
  return noContent()
}

function agentIdOf({ params }: KeyContext): AgentId {
  const id = AgentId.safeParse(params.id)
  if (!id.success) throw notFound('agent')
  return id.data
}
