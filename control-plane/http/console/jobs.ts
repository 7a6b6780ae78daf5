import { html } from '#fragments/html.ts'
import { type JobsView, jobsList } from '#fragments/jobs.ts'
import { problemNotice } from '#fragments/notice.ts'
import { uploadForm } from '#fragments/upload.ts'
import { JobList, ModelList } from '#protocol/api.ts'
import { JobStatus } from '#protocol/job.ts'
import { ask } from './api.ts'
import { markup } from './headers.ts'
import { type Page, problemPage } from './page.ts'
import type { Visitor } from './visitor.ts'

export async function jobsPage(visitor: Visitor): Promise<Page> {
  const view = viewOf(visitor)
  const [jobs, models] = await Promise.all([
    ask(visitor, { path: listPath(view) }, JobList),
    ask(visitor, { path: '/v1/models' }, ModelList),
  ])
  if (!jobs.ok) return problemPage(jobs.problem)
  const known = models.ok ? models.value.models : []
  const main = html`${uploadForm(known, visitor.visit)}${jobsList(jobs.value, view, visitor.visit)}`
  return { shell: 'jobs', title: 'Jobs', main }
}

/** The list alone, as an open page refreshes it. */
export async function jobsFragment(visitor: Visitor): Promise<Response> {
  const view = viewOf(visitor)
  const jobs = await ask(visitor, { path: listPath(view) }, JobList)
  if (!jobs.ok) return markup(problemNotice(jobs.problem).markup, { status: jobs.problem.status })
  return markup(jobsList(jobs.value, view, visitor.visit).markup)
}

/** An unknown status shows all jobs: addresses are typed by people. */
function viewOf(visitor: Visitor): JobsView {
  const query = new URL(visitor.request.url).searchParams
  const status = JobStatus.safeParse(query.get('status'))
  return { status: status.success ? status.data : null, cursor: query.get('cursor') }
}

function listPath(view: JobsView): string {
  const query = new URLSearchParams({ limit: '20' })
  if (view.status !== null) query.set('status', view.status)
  if (view.cursor !== null) query.set('cursor', view.cursor)
  return `/v1/audio/transcriptions?${query}`
}
