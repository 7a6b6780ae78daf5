import type { Segment, Word } from '#protocol/transcript.ts'

/**
 * Caption formats, segment by segment. Pure. A long segment becomes several cues: no text is ever cut off. Cues begin
 * and end with their words where word times exist, else they share the segment's time by the length of their text.
 */
export interface CaptionOptions {
  readonly maxLineLength: number
  readonly maxLines: number
}

/** 42 characters, two lines: what broadcasters' guides agree on for subtitles. */
export const CAPTION_DEFAULTS: CaptionOptions = { maxLineLength: 42, maxLines: 2 }

export interface Cue {
  readonly start: number
  readonly end: number
  readonly lines: readonly string[]
}

export function cuesOf(segment: Segment, options: CaptionOptions): Cue[] {
  const words = saysAll(segment)
    ? segment.words.filter(({ text }) => text.trim() !== '')
    : timedByLength(segment)
  const cues: Cue[] = []
  let lines: Word[][] = []
  for (const line of linesOf(words, options.maxLineLength)) {
    if (lines.length === options.maxLines) {
      cues.push(cueOf(lines))
      lines = []
    }
    lines.push(line)
  }
  if (lines.length > 0) cues.push(cueOf(lines))
  return cues
}

/** `index` counts cues from 1 through the whole file. */
export function srtCue(cue: Cue, index: number): string {
  return `${index}\n${clock(cue.start, ',')} --> ${clock(cue.end, ',')}\n${cue.lines.join('\n')}\n\n`
}

export function vttCue(cue: Cue): string {
  const text = cue.lines.join('\n').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `${clock(cue.start, '.')} --> ${clock(cue.end, '.')}\n${text}\n\n`
}

/** A paragraph a segment. */
export function textLine(segment: Segment): string {
  return `${segment.text}\n`
}

function linesOf(words: readonly Word[], maxLineLength: number): Word[][] {
  const lines: Word[][] = []
  let length = 0
  for (const word of words) {
    const line = lines.at(-1)
    if (line === undefined || length + 1 + word.text.length > maxLineLength) {
      lines.push([word])
      length = word.text.length
    } else {
      line.push(word)
      length += 1 + word.text.length
    }
  }
  return lines
}

function cueOf(lines: readonly Word[][]): Cue {
  const words = lines.flat()
  return {
    start: words[0]?.start ?? 0,
    end: words.at(-1)?.end ?? 0,
    // A line break or an empty line would end the cue.
    lines: lines.map((line) => line.map((word) => word.text.trim().replace(/\s+/g, ' ')).join(' ')),
  }
}

/** Whether the words carry the whole text: an aligner may have left some of them out. */
function saysAll({ text, words }: Segment): boolean {
  const bare = (part: string) => part.replace(/\s+/g, '')
  return words.length > 0 && bare(words.map((word) => word.text).join('')) === bare(text)
}

/** Words of a segment that has none, or not all: each gets the share of time that its letters have of the text. */
function timedByLength(segment: Segment): Word[] {
  const texts = segment.text.split(/\s+/).filter((text) => text !== '')
  const total = texts.reduce((sum, text) => sum + text.length, 0)
  const seconds = segment.end - segment.start
  let before = 0
  return texts.map((text) => {
    const start = segment.start + (seconds * before) / total
    before += text.length
    return { text, start, end: segment.start + (seconds * before) / total, confidence: null }
  })
}

function clock(seconds: number, separator: ',' | '.'): string {
  const ms = Math.round(seconds * 1000)
  const pad = (value: number, width = 2) => String(value).padStart(width, '0')
  const [hours, minutes, rest] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, ms % 60_000]
  return `${pad(hours)}:${pad(minutes)}:${pad(Math.floor(rest / 1000))}${separator}${pad(rest % 1000, 3)}`
}
