import type { JobView, StageView } from '#protocol/job.ts'
import { type Html, html } from './html.ts'
import { duration } from './quantities.ts'

/** The time axis of one job: every row of its pipeline draws on the same one. Pure: no clock, no DOM. */
export interface Axis {
  readonly startMs: number
  readonly spanMs: number
}

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** How long a stage waited for an engine, and how long it ran: drawn apart, never as one bar. */
export interface StageSpans {
  readonly queue: Span | null
  readonly run: Span | null
}

/** Lengths whose quarters are round. While a job runs its axis jumps from one to the next instead of creeping. */
const ROUND_SECONDS = [
  0.2, 0.4, 0.8, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 60, 80, 120, 160, 240, 320, 480,
  720, 960, 1200, 1920, 2400, 3600, 4800, 7200, 9600, 14_400, 21_600, 28_800,
]

/** From the job's creation to the round length after its end, or after the present. */
export function axisOf(job: JobView, nowMs: number): Axis {
  const startMs = Date.parse(job.created_at)
  const endMs = job.completed_at === null ? nowMs : Date.parse(job.completed_at)
  const elapsedMs = Math.max(1, endMs - startMs)
  const round = ROUND_SECONDS.find((seconds) => seconds * 1000 >= elapsedMs)
  return { startMs, spanMs: round === undefined ? elapsedMs : round * 1000 }
}

export function spansOf(stage: StageView, nowMs: number): StageSpans {
  if (stage.ready_at === null) return { queue: null, run: null }
  const readyMs = Date.parse(stage.ready_at)
  const endMs = stage.completed_at === null ? Math.max(nowMs, readyMs) : Date.parse(stage.completed_at)
  const startedMs = stage.started_at === null ? null : Date.parse(stage.started_at)
  return {
    queue: { fromMs: readyMs, toMs: startedMs ?? endMs },
    run: startedMs === null ? null : { fromMs: startedMs, toMs: endMs },
  }
}

/** Units of the drawing's width. Geometry goes into SVG attributes, since the page's policy forbids inline styles. */
const WIDTH = 1000
/** Shorter bars would vanish. */
const LEAST_WIDTH = 4

export function track(stage: StageView, axis: Axis, nowMs: number): Html {
  const { queue, run } = spansOf(stage, nowMs)
  return html`<svg class="track" viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-hidden="true">
    ${queue !== null && bar('queue', queue, axis)}${run !== null && bar('run', run, axis)}
  </svg>`
}

function bar(kind: 'queue' | 'run', span: Span, axis: Axis): Html {
  const from = clamp(((span.fromMs - axis.startMs) / axis.spanMs) * WIDTH, 0, WIDTH - LEAST_WIDTH)
  const to = clamp(((span.toMs - axis.startMs) / axis.spanMs) * WIDTH, 0, WIDTH)
  const [y, height] = kind === 'queue' ? [8, 4] : [2, 16]
  const width = Math.max(kind === 'queue' ? 0 : LEAST_WIDTH, to - from)
  return html`<rect class="bar-${kind}" x="${from.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}"></rect>`
}

/** The axis' labels at its quarters, evenly spread by the stylesheet. */
export function axisLabels(axis: Axis): Html {
  const quarters = [0, 1, 2, 3, 4].map((quarter) => (axis.spanMs * quarter) / 4)
  return html`<div class="axis" aria-hidden="true">${quarters.map(
    (milliseconds) => html`<span>${milliseconds === 0 ? '0' : duration(milliseconds)}</span>`,
  )}</div>`
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
