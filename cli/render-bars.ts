import type { LiveJob } from '#protocol/events.ts'
import type { Eta, JobView, StageView } from '#protocol/job.ts'
import { cut, cutStart, duration, pad, printable } from './text.ts'

/** A live job as lines of a terminal: a bar a stage, and the newest text. Pure: a job and a width in, lines out. */
export function renderBars(label: string, live: LiveJob, columns: number): string[] {
  const { job, partial } = live
  const names = job.stages.map(stageName)
  const nameColumns = Math.max(0, ...names.map((name) => name.length))
  const length = job.audio_duration_seconds === null ? '' : ` (${duration(job.audio_duration_seconds)})`
  const eta = etaText(job.progress.eta)
  const left = eta === null ? '' : `  ${eta}`
  const stages = job.stages.map(
    (stage, index) => `  ${pad(names[index] ?? '', nameColumns)}  ${stageLine(stage)}`,
  )
  const why = ownReason(job)
  const text = partial === null ? [] : [`  ${cutStart(printable(partial.text), columns - 3)}`]
  return [`${label}${length}${left}`, ...stages, ...(why === null ? [] : [`  ${why}`]), ...text].map((line) =>
    cut(printable(line), columns - 1),
  )
}

/** One of several jobs, in one line. */
export function renderCompact(label: string, { job }: LiveJob, columns: number): string {
  const stage = job.progress.current_stage ?? job.status
  return cut(
    printable(`${bar(job.progress.overall)} ${percent(job.progress.overall)}  ${label}  ${stage}`),
    columns - 1,
  )
}

/** `about 40 s left`; a guess until these engines were measured says so. */
export function etaText(eta: Eta | null): string | null {
  if (eta === null) return null
  const left = `about ${duration(eta.remaining_seconds)} left`
  return eta.source === 'measured' ? left : `${left} (a guess)`
}

/** `transcribe`, and `transcribe 1` where it is split by channel. */
export function stageName(stage: StageView): string {
  return stage.channel === null ? stage.stage : `${stage.stage} ${stage.channel}`
}

/** What the job waits for, where no stage says it already. */
export function ownReason(job: JobView): string | null {
  return job.stages.some((stage) => stage.why === job.why) ? null : job.why
}

/** `queued, no agent is there`; the reason may be just that it is queued. */
export function waiting(word: string, { why }: StageView): string {
  return why === null || why === word ? word : `${word}, ${why}`
}

export function bar(value: number, columns = 24): string {
  const filled = Math.round((Math.min(100, Math.max(0, value)) / 100) * columns)
  return '█'.repeat(filled) + '░'.repeat(columns - filled)
}

function stageLine(stage: StageView): string {
  const took = stage.duration_ms === null ? '' : `  ${duration(stage.duration_ms / 1000)}`
  const again = stage.attempt > 1 ? `  attempt ${stage.attempt}` : ''
  switch (stage.status) {
    case 'completed':
      return `${bar(100)} ${percent(100)}${took}${again}`
    case 'running': {
      const done = stage.progress?.percent ?? null
      const message = stage.progress?.message ? `  ${stage.progress.message}` : ''
      return `${bar(done ?? 0)} ${done === null ? 'runs' : percent(done)}${message}${again}`
    }
    case 'pending':
      return `${bar(0)} ${waiting('waits', stage)}`
    case 'ready':
      return `${bar(0)} ${waiting('queued', stage)}${again}`
    default:
      return `${bar(0)} ${stage.status}${stage.error === null ? '' : `  ${stage.error.message}`}`
  }
}

function percent(value: number): string {
  return `${String(Math.round(value)).padStart(3)} %`
}
