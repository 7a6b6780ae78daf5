import type { SpeakerTurn } from '#protocol/documents.ts'
import type { Segment, Word } from '#protocol/transcript.ts'
import { overlaps, type Span, sharedSeconds } from './span.ts'
import { dividedText, spells } from './spelling.ts'

/**
 * Who said it: turns of a diarizer laid over a transcriber's words. Pure.
 *
 * The two cut speech at different places, so a word may lie beside the turn that it belongs to: the nearest turn counts
 * up to a second away, which is more than detectors of speech differ by and less than most pauses between speakers.
 */
export const REACH_SECONDS = 1

/** `SPEAKER_00` for channel 0, and so on: as a diarizer would name them. */
export function channelSpeaker(channel: number): string {
  return `SPEAKER_${String(channel).padStart(2, '0')}`
}

/**
 * The segment, divided where the speaker changes. It stays whole where its words do not spell its text, which could then
 * be cut at a guess only: whoever says most of it is its speaker. `turns`: at least all within reach of the segment.
 */
export function bySpeaker(segment: Segment, turns: readonly SpeakerTurn[]): Segment[] {
  if (!spells(segment.words, segment.text)) return [{ ...segment, speaker: speakerOf(segment, turns) }]
  const groups = groupsOf(segment.words, turns)
  if (groups.length === 1) return [{ ...segment, speaker: groups[0]?.speaker ?? null }]
  const texts = dividedText(
    segment.text,
    groups.map(({ words }) => words),
  )
  return groups.map(({ speaker, words }, index) => {
    const times = timesOf(segment, words, index === 0, index === groups.length - 1)
    return { ...segment, ...times, text: texts[index] ?? '', speaker, words }
  })
}

/** Who shares most time with the span, of equals the one who began first; else the nearest within reach; else null. */
function speakerOf(span: Span, turns: readonly SpeakerTurn[]): string | null {
  const seconds = new Map<string, number>()
  let nearest: SpeakerTurn | null = null
  let nearestSeconds = REACH_SECONDS
  for (const turn of turns) {
    const shared = sharedSeconds(turn, span)
    if (overlaps(turn, span)) seconds.set(turn.speaker, (seconds.get(turn.speaker) ?? 0) + shared)
    else if (-shared < nearestSeconds || (nearest === null && -shared === nearestSeconds)) {
      nearest = turn
      nearestSeconds = -shared
    }
  }
  const [most] = [...seconds].sort(([, one], [, other]) => other - one)
  return most?.[0] ?? nearest?.speaker ?? null
}

interface Group {
  speaker: string | null
  readonly words: Word[]
}

/** A word that nobody's turn is near to, or that has no letter, goes with the word before it: it starts no segment. */
function groupsOf(words: readonly Word[], turns: readonly SpeakerTurn[]): Group[] {
  const groups: Group[] = []
  for (const word of words) {
    const speaker = word.text.trim() === '' ? null : speakerOf(word, turns)
    const group = groups.at(-1)
    if (group === undefined) groups.push({ speaker, words: [word] })
    else if (speaker === null || group.speaker === null || speaker === group.speaker) {
      group.words.push(word)
      group.speaker ??= speaker
    } else groups.push({ speaker, words: [word] })
  }
  return groups
}

/** The parts lie inside their segment; the first begins and the last ends with it. */
function timesOf(segment: Segment, words: readonly Word[], isFirst: boolean, isLast: boolean): Span {
  const within = (seconds: number) => Math.min(segment.end, Math.max(segment.start, seconds))
  const start = isFirst ? segment.start : within(words[0]?.start ?? segment.start)
  const end = isLast ? segment.end : within(words.at(-1)?.end ?? segment.end)
  return { start, end: Math.max(start, end) }
}
