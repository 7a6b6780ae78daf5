import type { EmotionSpan, TopicSpan } from '#protocol/documents.ts'
import type { AudioEvent, Segment } from '#protocol/transcript.ts'
import { mostShared, overlaps, type Span } from './span.ts'

/** What other stages found in the recording, laid over one segment. Pure. */
export interface Surroundings {
  readonly emotions: readonly EmotionSpan[]
  /** Null where nobody asked for events. */
  readonly events: readonly AudioEvent[] | null
  readonly topics: readonly TopicSpan[]
}

export interface Enrichment {
  readonly fields: Pick<Segment, 'emotion' | 'emotion_confidence' | 'events' | 'topics'>
  /** How many events and topics found no room. */
  readonly leftOut: number
}

/** A segment has room for so many; the schema says the same. */
const MAX_EVENTS = 100
const MAX_TOPICS = 20

/** A field is there only where something was found, `events` wherever they were asked for. */
export function enrichmentOf(span: Span, { emotions, events, topics }: Surroundings): Enrichment {
  const emotion = mostShared(emotions, span)
  const heard = events?.filter((event) => overlaps(event, span))
  const named = new Set(topics.filter((topic) => overlaps(topic, span)).map(({ topic }) => topic))
  return {
    fields: {
      ...(emotion !== null && { emotion: emotion.emotion, emotion_confidence: emotion.confidence }),
      ...(heard !== undefined && { events: heard.slice(0, MAX_EVENTS) }),
      ...(named.size > 0 && { topics: [...named].slice(0, MAX_TOPICS) }),
    },
    leftOut: Math.max(0, (heard?.length ?? 0) - MAX_EVENTS) + Math.max(0, named.size - MAX_TOPICS),
  }
}
