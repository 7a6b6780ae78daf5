import { Stage } from '#protocol/stage.ts'
import { createSignInLink } from '../actions/console-access.ts'
import {
  checkHealth,
  listEngines,
  listModels,
  type ModelFilter,
  measure,
  readEngine,
  readModel,
} from '../actions/fleet.ts'
import { json, parse } from './answers.ts'
import { drain } from './body.ts'
import type { KeyContext, OpenContext } from './context.ts'
import { metricsText } from './metrics.ts'

/** Engines, models, and how the installation does. */
export async function engines({ env, caller }: KeyContext): Promise<Response> {
  return json({ engines: await listEngines(env, caller) })
}

export async function engine({ env, caller, params }: KeyContext): Promise<Response> {
  return json({ engines: await readEngine(env, caller, params.id ?? '') })
}

function filterOf({ searchParams }: URL): ModelFilter {
  const stage = searchParams.get('stage')
  return {
    engineId: searchParams.get('engine_id'),
    stage: stage === null ? null : parse(Stage, stage, 'stage'),
  }
}

export async function models({ env, caller, url }: KeyContext): Promise<Response> {
  return json({ models: await listModels(env, caller, filterOf(url)) })
}

export async function model({ env, caller, params }: KeyContext): Promise<Response> {
  return json(await readModel(env, caller, params.id ?? ''))
}

export async function signInLink({ request, env, caller, url }: KeyContext): Promise<Response> {
  await drain(request)
  const { token, expiresAtMs } = await createSignInLink(env, caller)
  const link = new URL(`/sign-in?link=${token}`, url)
  return json({ url: link.href, expires_at: new Date(expiresAtMs).toISOString() }, 201)
}

export async function health({ env }: OpenContext): Promise<Response> {
  const report = await checkHealth(env)
  return json(report, report.status === 'healthy' ? 200 : 503)
}

export async function metrics({ env, caller }: KeyContext): Promise<Response> {
  const text = metricsText(await measure(env, caller))
  return new Response(text, { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } })
}
