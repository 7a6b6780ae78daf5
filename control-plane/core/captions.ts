import type { Segment, Word } from '#protocol/transcript.ts'
import { spells } from './merge/spelling.ts'

/**
 * Caption formats, segment by segment. Pure. A long segment becomes several cues: no text is ever cut off. Cues begin
 * and end with their words where word times exist, else they share the segment's time by the length of their text. Where
 * speakers are known each format says so in its own way.
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

/** `lead` begins every cue, within the length of its first line. */
export function cuesOf(segment: Segment, options: CaptionOptions, lead = ''): Cue[] {
  const words = spells(segment.words, segment.text)
    ? segment.words.filter(({ text }) => text.trim() !== '')
    : timedByLength(segment)
  const lines = linesOf(words, options, lead.length)
  const cues: Cue[] = []
  for (let first = 0; first < lines.length; first += options.maxLines)
    cues.push(cueOf(lines.slice(first, first + options.maxLines), lead))
  return cues
}

/** What leads a cue of a format that knows no speakers: `SPEAKER_00: `. */
export function speakerLead({ speaker }: Segment): string {
  return speaker === null ? '' : `${inLine(speaker)}: `
}

/** `index` counts cues from 1 through the whole file. */
export function srtCue(cue: Cue, index: number): string {
  return `${index}\n${clock(cue.start, ',')} --> ${clock(cue.end, ',')}\n${cue.lines.join('\n')}\n\n`
}

export function vttCue(cue: Cue, speaker: string | null): string {
  const voice = speaker === null ? '' : `<v ${escaped(inLine(speaker))}>`
  const text = `${voice}${escaped(cue.lines.join('\n'))}`
  return `${clock(cue.start, '.')} --> ${clock(cue.end, '.')}\n${text}\n\n`
}

/** A line a segment; where the speaker changes an empty line, and one that names who speaks now. */
export function textLine(segment: Segment, before: Segment | null): string {
  const { speaker, text } = segment
  if (speaker === (before?.speaker ?? null)) return `${text}\n`
  const gap = before === null ? '' : '\n'
  const name = speaker === null ? '' : `[${inLine(speaker)}]\n`
  return `${gap}${name}${text}\n`
}

function linesOf(words: readonly Word[], options: CaptionOptions, leadLength: number): Word[][] {
  const lines: Word[][] = []
  let length = 0
  for (const word of words) {
    const line = lines.at(-1)
    if (line === undefined || length + 1 + word.text.length > options.maxLineLength) {
      const beginsCue = lines.length % options.maxLines === 0
      length = (beginsCue ? leadLength : 0) + word.text.length
      lines.push([word])
    } else {
      line.push(word)
      length += 1 + word.text.length
    }
  }
  return lines
}

function cueOf(lines: readonly Word[][], lead: string): Cue {
  const words = lines.flat()
  const texts = lines.map((line) => line.map((word) => inLine(word.text)).join(' '))
  return {
    start: words[0]?.start ?? 0,
    end: words.at(-1)?.end ?? 0,
    lines: texts.map((text, index) => (index === 0 ? `${lead}${text}` : text)),
  }
}

/** A line break or an empty line would end the cue. */
function inLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

/** So that no text can be read as a tag. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
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
