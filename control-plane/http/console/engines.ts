import { joinLine } from '#fragments/agents.ts'
import { enginesPage, type Fleet } from '#fragments/engines.ts'
import { problemNotice } from '#fragments/notice.ts'
import { AgentList, CreatedJoinToken, EngineList, ModelList } from '#protocol/api.ts'
import { type Answer, ask } from './api.ts'
import { markup } from './headers.ts'
import { type Page, problemPage } from './page.ts'
import type { Visitor } from './visitor.ts'

export async function enginesPageOf(visitor: Visitor): Promise<Page> {
  const fleet = await fleetOf(visitor)
  if (!fleet.ok) return problemPage(fleet.problem)
  return { shell: 'engines', title: 'Engines', main: enginesPage(fleet.value, visitor.visit) }
}

export async function enginesFragment(visitor: Visitor): Promise<Response> {
  const fleet = await fleetOf(visitor)
  if (!fleet.ok) return markup(problemNotice(fleet.problem).markup, { status: fleet.problem.status })
  return markup(enginesPage(fleet.value, visitor.visit).markup)
}

/** A fresh join token, as the line to paste on the new machine. */
export async function joinTokenFragment(visitor: Visitor): Promise<Response> {
  const created = await ask(visitor, { path: '/v1/agents/tokens', body: {} }, CreatedJoinToken)
  if (!created.ok) return markup(problemNotice(created.problem).markup, { status: created.problem.status })
  return markup(joinLine(created.value, visitor.visit).markup)
}

async function fleetOf(visitor: Visitor): Promise<Answer<Fleet>> {
  const [engines, models, agents] = await Promise.all([
    ask(visitor, { path: '/v1/engines' }, EngineList),
    ask(visitor, { path: '/v1/models' }, ModelList),
    ask(visitor, { path: '/v1/agents' }, AgentList),
  ])
  if (!engines.ok) return engines
  if (!models.ok) return models
  if (!agents.ok) return agents
  return { ok: true, value: { ...engines.value, ...models.value, ...agents.value } }
}
