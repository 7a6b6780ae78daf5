import type { LiveJob } from '#protocol/events.ts'
import type { StageView } from '#protocol/job.ts'
import { stageName } from './render-bars.ts'
import { cutStart, duration, printable } from './text.ts'

/** Percentages of one stage are worth a new line this far apart. */
const PERCENT_STEP = 10
const TEXT_COLUMNS = 160

/**
 * What has changed from one state of a job to the next, as plain lines for a log. Pure: replaying the states gives the
 * same lines.
 */
export function renderLines(before: LiveJob | null, after: LiveJob): string[] {
  const lines = after.job.stages.flatMap((stage) => {
    const old = before?.job.stages.find((each) => each.task_id === stage.task_id)
    return stageChange(old, stage)
  })
  if (after.job.why !== null && after.job.why !== before?.job.why) lines.push(`waits: ${after.job.why}`)
  const text = newText(before, after)
  if (text !== '') lines.push(`text: ${text}`)
  return lines.map(printable)
}

function stageChange(before: StageView | undefined, after: StageView): string[] {
  const name = stageName(after)
  const isNews = before?.status !== after.status || before.attempt !== after.attempt
  if (after.status === 'running') {
    const [old, now] = [before?.progress?.percent ?? null, after.progress?.percent ?? null]
    const hasMoved = now !== null && stepOf(now) > stepOf(old ?? 0)
    const again = after.attempt > 1 ? ` (attempt ${after.attempt})` : ''
    if (isNews) return [`${name}: running${again}`]
    return hasMoved ? [`${name}: ${Math.round(now)} %`] : []
  }
  if (!isNews) return after.why !== null && after.why !== before.why ? [`${name}: ${after.why}`] : []
  switch (after.status) {
    case 'pending':
      return []
    case 'ready':
      return [`${name}: queued${after.why === null ? '' : `, ${after.why}`}`]
    case 'completed':
      return [`${name}: done${after.duration_ms === null ? '' : ` in ${duration(after.duration_ms / 1000)}`}`]
    default:
      return [`${name}: ${after.status}${after.error === null ? '' : `, ${after.error.message}`}`]
  }
}

function stepOf(percent: number): number {
  return Math.floor(percent / PERCENT_STEP)
}

/** Of text that grows only what is new; of text that was changed, its end. */
function newText(before: LiveJob | null, after: LiveJob): string {
  const [old, now] = [before?.partial ?? null, after.partial]
  if (now === null || now === old || now.text === old?.text) return ''
  const isLonger = old !== null && now.text.startsWith(old.text)
  const text = isLonger ? now.text.slice(old.text.length) : now.text
  return cutStart(text.trim(), TEXT_COLUMNS)
}
