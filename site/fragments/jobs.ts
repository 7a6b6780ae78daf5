import type { JobList } from '#protocol/api.ts'
import { JobStatus, type JobSummary } from '#protocol/job.ts'
import type { Visit } from './form.ts'
import { type Html, html } from './html.ts'
import { pasteLine } from './notice.ts'
import { ago, duration, timestamp } from './quantities.ts'
import { refreshInPlace } from './refresh.ts'
import { statusPill } from './status.ts'

/** What the list shows of all jobs: one status or all, from a cursor on or from the newest. */
export interface JobsView {
  readonly status: JobStatus | null
  readonly cursor: string | null
}

/** How often an open list asks again. There is no stream of all jobs, and a fragment costs a few milliseconds. */
const REFRESH_SECONDS = 3

/** The filter, the table and the way to older jobs: refreshed in place as one. */
export function jobsList(list: JobList, view: JobsView, visit: Visit): Html {
  const source = address('/ui/jobs', view)
  return html`<section id="jobs" class="panel" aria-labelledby="jobs-title" hx-get="${source}" hx-trigger="every ${REFRESH_SECONDS}s, refresh" ${refreshInPlace}>
    <header class="panel-head">
      <h2 id="jobs-title">Jobs</h2>
      <nav class="filters" aria-label="Filter by status">
        ${filterLink(null, view)}${JobStatus.options.map((status) => filterLink(status, view))}
      </nav>
    </header>
    ${list.jobs.length === 0 ? empty(view, visit) : table(list.jobs, visit.nowMs)}
    ${pages(list, view)}
  </section>`
}

function address(path: string, view: JobsView): string {
  const query = new URLSearchParams()
  if (view.status !== null) query.set('status', view.status)
  if (view.cursor !== null) query.set('cursor', view.cursor)
  return query.size === 0 ? path : `${path}?${query}`
}

function filterLink(status: JobStatus | null, view: JobsView): Html {
  const current = status === view.status
  return html`<a href="${address('/jobs', { status, cursor: null })}"${current && html` aria-current="true"`}>${status ?? 'all'}</a>`
}

function table(jobs: readonly JobSummary[], nowMs: number): Html {
  return html`<table class="list">
    <thead><tr>
      <th scope="col">Name</th><th scope="col">Status</th><th scope="col" class="number wide">Audio</th>
      <th scope="col" class="number wide">Words</th><th scope="col" class="wide">Model</th>
      <th scope="col" class="number wide">Took</th><th scope="col" class="number">Created</th>
    </tr></thead>
    <tbody>${jobs.map((job) => row(job, nowMs))}</tbody>
  </table>`
}

function row(job: JobSummary, nowMs: number): Html {
  const audio = job.audio_duration_seconds === null ? '–' : duration(job.audio_duration_seconds * 1000)
  return html`<tr id="row-${job.id}">
    <th scope="row" class="name">
      <a href="/jobs/${job.id}">${job.name ?? job.id}</a>
      ${job.error !== null && html`<span class="sub">${job.error.message}</span>`}
    </th>
    <td>${statusPill(job.status)}</td>
    <td class="number wide">${audio}</td>
    <td class="number wide">${job.word_count === null ? '–' : job.word_count.toLocaleString('en')}</td>
    <td class="wide">${job.model}</td>
    <td class="number wide">${took(job)}</td>
    <td class="number"><time datetime="${job.created_at}" title="${timestamp(job.created_at)}">${ago(job.created_at, nowMs)}</time></td>
  </tr>`
}

function took(job: JobSummary): string {
  if (job.started_at === null || job.completed_at === null) return '–'
  return duration(Date.parse(job.completed_at) - Date.parse(job.started_at))
}

function empty(view: JobsView, visit: Visit): Html {
  if (view.status !== null) return html`<p class="empty">No ${view.status} jobs.</p>`
  const line = `curl -H "Authorization: Bearer $DALSTON_API_KEY" -F file=@call.wav ${visit.origin}/v1/audio/transcriptions`
  return html`<div class="empty">
    <p><strong>No jobs yet.</strong> Drop a recording above, or send one from a terminal:</p>
    ${pasteLine('Send a recording by curl', line)}
  </div>`
}

function pages(list: JobList, view: JobsView): Html | null {
  if (view.cursor === null && !list.has_more) return null
  return html`<nav class="pages" aria-label="Pages">
    ${view.cursor !== null && html`<a class="button small" href="${address('/jobs', { ...view, cursor: null })}">Newest</a>`}
    ${list.has_more && html`<a class="button small" href="${address('/jobs', { ...view, cursor: list.cursor })}">Older</a>`}
  </nav>`
}
