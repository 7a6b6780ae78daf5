import type { ExportFormat, JobDocument } from '#protocol/api.ts'
import { EXPORT_FORMATS } from '#protocol/api.ts'
import type { LiveJob } from '#protocol/events.ts'
import type { Segment, Word } from '#protocol/transcript.ts'
import { type Html, type HtmlValue, html } from './html.ts'
import { icon } from './icon.ts'
import { clock, count } from './quantities.ts'

/** Segments a fragment: a ten-hour transcript arrives in pieces as the reader scrolls. */
export const SEGMENTS_A_PIECE = 400
/** Words below it are underlined: worth a second listen. Half of the scale, as the model gives no better line. */
const UNSURE_BELOW = 0.5

/** The text so far, while it may still change. */
export function liveText(live: LiveJob): Html {
  const { job, partial } = live
  if (job.status === 'failed' || job.status === 'cancelled')
    return html`<section id="transcript" hidden></section>`
  if (partial === null)
    return frame(null, html`<p class="quiet">The words appear here as they are recognised.</p>`)
  return frame(
    html`<span class="tag">to ${clock(partial.end)}, may still change</span>`,
    html`<p class="live-text">${partial.start > 0 && '… '}${partial.text}<span class="caret" aria-hidden="true"></span></p>`,
  )
}

/** Stands until the page has fetched the finished transcript; shows the newest text meanwhile. */
export function transcriptLoader(live: LiveJob): Html {
  return html`<section id="transcript" class="panel" aria-labelledby="transcript-title"
      hx-get="/ui/jobs/${live.job.id}/transcript" hx-trigger="load" hx-swap="outerHTML">
    <header class="panel-head"><h2 id="transcript-title">Transcript</h2></header>
    <p class="live-text">${live.partial?.text ?? 'Loading …'}</p>
  </section>`
}

/** The finished transcript with its times, and the files to take away. */
export function transcript(job: JobDocument): Html {
  const exports = html`<nav class="exports" aria-label="Download the transcript">
    ${EXPORT_FORMATS.map((format) => exportLink(job, format))}
  </nav>`
  if (job.result?.no_speech === true) {
    return frame(exports, html`<p class="quiet">No speech was found in this recording.</p>`)
  }
  if (job.segments === null || job.segments.length === 0) {
    return frame(exports, html`<p class="text">${job.text ?? ''}</p>`)
  }
  return frame(exports, html`<ol class="segments">${segmentPiece(job, 0)}</ol>`)
}

/** Segments from `first` on, and a marker that loads the next piece when it comes into view. */
export function segmentPiece(job: JobDocument, first: number): Html {
  const segments = job.segments ?? []
  const next = first + SEGMENTS_A_PIECE
  const more = html`<li class="more" hx-get="/ui/jobs/${job.id}/transcript?from=${next}" hx-trigger="revealed" hx-swap="outerHTML">
    <a href="/jobs/${job.id}/export/txt">${count(segments.length - next, 'more segment')}</a>
  </li>`
  return html`${segments.slice(first, next).map(line)}${next < segments.length && more}`
}

function frame(aside: HtmlValue, body: Html): Html {
  return html`<section id="transcript" class="panel" aria-labelledby="transcript-title">
    <header class="panel-head"><h2 id="transcript-title">Transcript</h2>${aside}</header>
    ${body}
  </section>`
}

function exportLink(job: JobDocument, format: ExportFormat): Html {
  return html`<a class="button small" href="/jobs/${job.id}/export/${format}" download>${icon('download')}${format}</a>`
}

function line(segment: Segment): Html {
  return html`<li class="segment">
    <span class="time"><span class="visually-hidden">from </span>${clock(segment.start)}</span>
    <p>${segment.speaker !== null && html`<strong class="speaker">${segment.speaker}</strong> `}${words(segment)}</p>
  </li>`
}

/** The segment's own text, unless its words are surely the same text: then the unsure ones are marked. */
function words(segment: Segment): HtmlValue {
  const joined = segment.words.map((word) => word.text).join(' ')
  if (joined !== segment.text || !segment.words.some(isUnsure)) return segment.text
  return segment.words.map((word, index) => [
    index > 0 && ' ',
    isUnsure(word)
      ? html`<span class="unsure" title="the model is not sure of this word">${word.text}</span>`
      : word.text,
  ])
}

function isUnsure(word: Word): boolean {
  return word.confidence !== null && word.confidence < UNSURE_BELOW
}
