import { z } from 'zod'

/** Seconds from the start of the recording, three decimals. */
export const Seconds = z.number().min(0)

export const SpeechRegion = z.strictObject({ start: Seconds, end: Seconds })
export type SpeechRegion = z.infer<typeof SpeechRegion>

/** The rate of all prepared audio: what every acoustic model here reads. */
export const SAMPLE_RATE_HZ = 16_000

/** Waveform peaks that prepare writes: one unsigned byte for each 1/20 s, 255 = full scale. */
export const PEAKS_PER_SECOND = 20

/** Positions are float seconds with three decimals. */
export function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
