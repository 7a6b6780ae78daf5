import type { LiveJob } from '#protocol/events.ts'
import { isTerminal, type JobView } from '#protocol/job.ts'
import { csrfField, type Visit } from './form.ts'
import { type Html, html } from './html.ts'
import { icon } from './icon.ts'
import { notice, pasteLine, prose } from './notice.ts'
import { type AgentNames, pipeline } from './pipeline.ts'
import { ago, count, duration, percent, timestamp } from './quantities.ts'
import { stageTitle, statusPill } from './status.ts'
import { liveText, transcriptLoader } from './transcript.ts'

export interface JobVisit extends Visit {
  readonly agents: AgentNames
}

/** The parts of a job page that change while the job runs, by their element's id, in page order. */
export type JobParts = ReadonlyMap<JobPart, Html>
export type JobPart = 'job-head' | 'job-progress' | 'pipeline' | 'transcript' | 'announcer'

/** `transcript` stands for what the caller holds: the finished transcript, or nothing to let the page load it. */
export function jobParts(live: LiveJob, visit: JobVisit, transcript: Html | null): JobParts {
  const { job } = live
  return new Map<JobPart, Html>([
    ['job-head', head(job, visit)],
    ['job-progress', overall(job)],
    ['pipeline', pipeline(job, visit.agents, visit.nowMs)],
    ['transcript', job.status === 'completed' ? (transcript ?? transcriptLoader(live)) : liveText(live)],
    ['announcer', announcer(job)],
  ])
}

/** The whole page's content. Only a job that still moves opens a stream. */
export function jobPage(live: LiveJob, visit: JobVisit, transcript: Html | null): Html {
  const { job } = live
  const stream = html`<div hx-sse:connect="/ui/jobs/${job.id}/events" hx-sse:close="end" hx-swap="none" hidden></div>`
  return html`<p class="crumb"><a href="/jobs">${icon('back')}Jobs</a></p>
    ${[...jobParts(live, visit, transcript).values()]}
    ${curl(job, visit)}
    ${!isTerminal(job.status) && stream}`
}

/** `62 % · call.wav`: a tab in the background tells how far it is. */
export function jobTitle(job: JobView): string {
  const name = job.name ?? job.id
  return job.status === 'running' ? `${percent(job.progress.overall)} · ${name}` : name
}

function head(job: JobView, visit: Visit): Html {
  return html`<header id="job-head" class="page-head">
    <div class="title-row">
      <h1>${job.name ?? job.id}</h1>
      ${statusPill(job.status)}
      ${actions(job, visit)}
    </div>
    <dl class="facts">
      ${fact('Audio', job.audio_duration_seconds === null ? '–' : duration(job.audio_duration_seconds * 1000))}
      ${fact('Model', modelOf(job))}
      ${fact('Language', language(job))}
      ${job.priority !== 'normal' && fact('Priority', job.priority)}
      ${job.result !== null && fact('Words', job.result.word_count.toLocaleString('en'))}
      ${speed(job)}
      ${fact('Created', html`<time datetime="${job.created_at}" title="${timestamp(job.created_at)}">${ago(job.created_at, visit.nowMs)}</time>`)}
    </dl>
    ${notices(job)}
  </header>`
}

function fact(name: string, value: Html | string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}

/** What transcribed it, where the caller left the choice open. */
function modelOf(job: JobView): string {
  const chosen = job.stages.find((stage) => stage.stage === 'transcribe')?.model_id ?? null
  return chosen === null || chosen === job.model ? job.model : `${chosen} (${job.model})`
}

function language(job: JobView): string {
  if (job.result?.language == null) return job.language
  return job.result.language_source === 'detected' ? `${job.result.language} (detected)` : job.result.language
}

/** Seconds of audio a second of work: what people compare machines by. */
function speed(job: JobView): Html | null {
  if (job.status !== 'completed' || job.started_at === null || job.completed_at === null) return null
  const tookMs = Date.parse(job.completed_at) - Date.parse(job.started_at)
  const audioMs = (job.audio_duration_seconds ?? 0) * 1000
  if (tookMs <= 0 || audioMs <= 0) return fact('Took', duration(tookMs))
  const ratio = audioMs / tookMs
  return fact('Took', `${duration(tookMs)}, ${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}× real time`)
}

function notices(job: JobView): Html {
  return html`
    ${job.error !== null && notice('bad', failureTitle(job.error), html`${prose(job.error.message)} <code>${job.error.code}</code>`)}
    ${job.why !== null && !isTerminal(job.status) && notice('info', 'Waiting.', prose(job.why))}
    ${
      job.result?.embedded_model === true &&
      notice(
        'warn',
        'Made by the embedded model.',
        'It is small and ships with Dalston so that the system can be tried; expect mistakes. As soon as an agent serves a larger model, that one is taken.',
      )
    }
    ${
      job.pipeline_warnings.length > 0 &&
      notice(
        'warn',
        `${count(job.pipeline_warnings.length, 'warning')}.`,
        html`<ul>${job.pipeline_warnings.map(warningItem)}</ul>`,
      )
    }`
}

/** A stage that was left out says so by word and icon, as its row does, and what stands in for it. */
function warningItem({ stage, status, fallback, message }: JobView['pipeline_warnings'][number]): Html {
  const instead = fallback === undefined ? '' : ` Instead: ${fallback.replaceAll('_', ' ')}.`
  return html`<li>${stageTitle(stage)}${status !== undefined && html` ${statusPill(status)}`}: ${message}${instead}</li>`
}

function failureTitle(error: NonNullable<JobView['error']>): string {
  return error.stage === null ? 'Failed.' : `${stageTitle(error.stage)} failed.`
}

/** Plain forms behind a question: they work by keyboard, and without scripts. */
function actions(job: JobView, visit: Visit): Html {
  return isTerminal(job.status)
    ? confirmed('delete', job, visit, 'Delete', 'Delete this job, its recording and its transcript for good?')
    : confirmed('cancel', job, visit, 'Cancel', 'Stop this job? What it has done so far is dropped.')
}

function confirmed(
  action: 'cancel' | 'delete',
  job: JobView,
  visit: Visit,
  label: string,
  question: string,
): Html {
  return html`<div class="actions">
    <button type="button" class="button" popovertarget="confirm-${action}">${label}…</button>
    <div id="confirm-${action}" class="dialog" popover role="dialog" aria-labelledby="confirm-${action}-question">
      <p id="confirm-${action}-question">${question}</p>
      <form method="post" action="/jobs/${job.id}/${action}">
        ${csrfField(visit)}
        <button type="button" class="button" popovertarget="confirm-${action}" popovertargetaction="hide" autofocus>Keep it</button>
        <button type="submit" class="button danger">${label} job</button>
      </form>
    </div>
  </div>`
}

function overall(job: JobView): Html {
  const { overall: value, current_stage: stage } = job.progress
  const doing =
    job.status === 'running' ? (stage === null ? 'Running' : stageTitle(stage)) : stageTitle(job.status)
  return html`<div id="job-progress" class="overall" data-status="${job.status}">
    <div class="overall-text">
      <span>${doing}${eta(job.progress.eta)}</span><span class="figure">${percent(value)}</span>
    </div>
    <progress max="100" value="${value}" aria-label="Job progress"></progress>
  </div>`
}

/** Rounded, so that it changes when a reader would notice; a guess says that it is one. */
function eta(eta: JobView['progress']['eta']): Html | '' {
  if (eta === null) return ''
  const { remaining_seconds: left, source } = eta
  const step = left < 60 ? 5 : left < 600 ? 30 : 300
  const rounded = Math.max(step, Math.round(left / step) * step)
  const text = `about ${spokenDuration(rounded)} left`
  return html`<span class="eta"> · ${source === 'measured' ? text : `${text} (a guess)`}</span>`
}

function spokenDuration(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 30) / 2} min`
}

/** Read aloud politely: only the status, and progress in steps of a quarter. */
function announcer(job: JobView): Html {
  const quarter = Math.floor(job.progress.overall / 25) * 25
  const text =
    job.status === 'running' && quarter > 0 ? `Job running, ${quarter} percent` : `Job ${job.status}`
  return html`<p id="announcer" class="visually-hidden" role="status" aria-live="polite">${text}</p>`
}

function curl(job: JobView, visit: Visit): Html {
  const url = `${visit.origin}/v1/audio/transcriptions/${job.id}`
  const line = `curl -H "Authorization: Bearer $DALSTON_API_KEY" ${url}`
  return html`<section class="panel" aria-labelledby="curl-title">
    <header class="panel-head"><h2 id="curl-title">From a terminal</h2></header>
    ${pasteLine('This job by curl', line)}
    ${pasteLine('Its events by curl', `${line}/events`)}
  </section>`
}
