import { jobPage, jobTitle } from '#fragments/job.ts'
import { problemNotice } from '#fragments/notice.ts'
import type { AgentNames } from '#fragments/pipeline.ts'
import { segmentPiece, transcript } from '#fragments/transcript.ts'
import { AgentList, ExportFormat, JobDocument } from '#protocol/api.ts'
import { JobId } from '#protocol/ids.ts'
import { JobView } from '#protocol/job.ts'
import { type Answer, ask, forward, Nothing, problem } from './api.ts'
import { markup, seeOther } from './headers.ts'
import { END_ID, liveFragments } from './live.ts'
import { type Page, problemPage } from './page.ts'
import type { Visitor } from './visitor.ts'

/** The parameter of every path below /jobs: text that still has to prove that it is an id. */
interface JobParams {
  readonly id: string
}

/** The pages, fragments and actions of one job. */
export async function jobPageOf(visitor: Visitor, { id }: JobParams): Promise<Page> {
  const [answer, agents] = await Promise.all([documentOf(visitor, id), agentNames(visitor)])
  if (!answer.ok) return problemPage(answer.problem)
  const job = answer.value
  const finished = job.status === 'completed' ? transcript(job) : null
  const main = jobPage({ job, partial: null }, { ...visitor.visit, agents }, finished)
  return { shell: 'job', title: jobTitle(job), main }
}

export async function jobEvents(visitor: Visitor, id: string, nowMs: () => number): Promise<Response> {
  const { request, visit } = visitor
  if (request.headers.get('last-event-id') === END_ID) return new Response(null, { status: 204 })
  const path = pathOf(id)
  if (path === null) return failure(notFound(id))
  const agents = await agentNames(visitor)
  // Without Last-Event-ID: a snapshot tells a returning page all that it missed, in one message.
  const events = await visitor.api(
    new Request(new URL(`${path}/events`, request.url), { signal: request.signal }),
  )
  if (events.status === 204 || events.body === null) return new Response(null, { status: 204 })
  if (!events.ok) return new Response(events.body, { status: events.status, headers: events.headers })
  const fragments = liveFragments({ visit: { ...visit, agents }, nowMs, signal: request.signal })
  return new Response(events.body.pipeThrough(fragments), {
    headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' },
  })
}

/** The finished transcript, or with `from` the next piece of a long one. */
export async function transcriptFragment(visitor: Visitor, { id }: JobParams): Promise<Response> {
  const answer = await documentOf(visitor, id)
  if (!answer.ok) return failure(answer)
  const from = Number(new URL(visitor.request.url).searchParams.get('from') ?? 0)
  const piece = Number.isSafeInteger(from) && from > 0
  return markup((piece ? segmentPiece(answer.value, from) : transcript(answer.value)).markup)
}

export async function exportTranscript(
  visitor: Visitor,
  { id, format }: JobParams & { readonly format: string },
): Promise<Response | Page> {
  const path = pathOf(id)
  if (path === null || !ExportFormat.safeParse(format).success) return problemPage(notFound(id).problem)
  const file = await forward(visitor, `${path}/export/${format}`)
  if (file.ok) return file
  const answer = await ask(visitor, { path: `${path}/export/${format}` }, Nothing)
  return answer.ok ? file : problemPage(answer.problem)
}

export async function cancelJob(visitor: Visitor, { id }: JobParams): Promise<Response | Page> {
  const path = pathOf(id)
  if (path === null) return problemPage(notFound(id).problem)
  const answer = await ask(visitor, { method: 'POST', path: `${path}/cancel` }, JobView)
  return answer.ok ? seeOther(`/jobs/${id}`) : problemPage(answer.problem)
}

export async function deleteJob(visitor: Visitor, { id }: JobParams): Promise<Response | Page> {
  const path = pathOf(id)
  if (path === null) return problemPage(notFound(id).problem)
  const answer = await ask(visitor, { method: 'DELETE', path }, Nothing)
  return answer.ok ? seeOther('/jobs') : problemPage(answer.problem)
}

function documentOf(visitor: Visitor, id: string): Promise<Answer<JobDocument>> {
  const path = pathOf(id)
  return path === null ? Promise.resolve(notFound(id)) : ask(visitor, { path }, JobDocument)
}

/** Null for what cannot be a job's id: it never reaches a path. */
function pathOf(id: string): string | null {
  const result = JobId.safeParse(id)
  return result.success ? `/v1/audio/transcriptions/${result.data}` : null
}

function notFound(id: string) {
  const detail = 'There is no such job, or it was deleted.'
  return { ok: false, problem: problem('not_found', detail, `/jobs/${encodeURIComponent(id)}`) } as const
}

function failure({ problem: found }: { readonly problem: Parameters<typeof problemNotice>[0] }): Response {
  return markup(problemNotice(found).markup, { status: found.status })
}

/** Names for the agents of a pipeline. A page without them shows ids, which is better than no page. */
async function agentNames(visitor: Visitor): Promise<AgentNames> {
  const answer = await ask(visitor, { path: '/v1/agents' }, AgentList)
  return new Map(answer.ok ? answer.value.agents.map((agent) => [agent.id, agent.name]) : [])
}
