import type { LiveJob } from '#protocol/events.ts'
import type { StageView } from '#protocol/job.ts'
import { ownReason, stageName, waiting } from './render-bars.ts'
import { duration, printable } from './text.ts'

/** Percentages of one stage are worth a new line this far apart. */
const PERCENT_STEP = 10

/**
 * What has changed from one state of a job to the next, as plain lines for a log. Pure: replaying the states gives the
 * same lines.
 */
export function renderLines(before: LiveJob | null, after: LiveJob): string[] {
  const lines = after.job.stages.flatMap((stage) => {
    const old = before?.job.stages.find((each) => each.task_id === stage.task_id)
    return stageChange(old, stage)
  })
  const why = ownReason(after.job)
  if (why !== null && why !== before?.job.why) lines.push(why)
  const text = newText(before, after)
  if (text !== '') lines.push(`text: ${text}`)
  return lines.map(printable)
}

function stageChange(before: StageView | undefined, after: StageView): string[] {
  const name = stageName(after)
  const isNews = before?.status !== after.status
  if (after.status === 'running') {
    const isAgain = before?.attempt !== after.attempt
    const [old, now] = [before?.progress?.percent ?? null, after.progress?.percent ?? null]
    const hasMoved = now !== null && stepOf(now) > stepOf(old ?? 0)
    const again = after.attempt > 1 ? ` (attempt ${after.attempt})` : ''
    if (isNews || isAgain) return [`${name}: running${again}`]
    return hasMoved ? [`${name}: ${Math.round(now)} %`] : []
  }
  if (!isNews) return after.why !== null && after.why !== before.why ? [`${name}: ${after.why}`] : []
  switch (after.status) {
    case 'pending':
      return []
    case 'ready':
      return [`${name}: ${waiting('queued', after)}`]
    case 'completed':
      return [`${name}: done${after.duration_ms === null ? '' : ` in ${duration(after.duration_ms / 1000)}`}`]
    default:
      return [`${name}: ${after.status}${after.error === null ? '' : `, ${after.error.message}`}`]
  }
}

function stepOf(percent: number): number {
  return Math.floor(percent / PERCENT_STEP)
}

/** From the first word that differs: of text that grows, that is what is new. */
function newText(before: LiveJob | null, after: LiveJob): string {
  const [old, now] = [before?.partial?.text ?? '', after.partial?.text ?? '']
  let same = 0
  while (same < now.length && now[same] === old[same]) same++
  if (same === now.length) return ''
  const isWordEnd = same === old.length && /\s/.test(now[same] ?? '')
  return now.slice(isWordEnd ? same : now.lastIndexOf(' ', same - 1) + 1).trim()
}
