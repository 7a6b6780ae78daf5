import type { Stage } from '#protocol/stage.ts'

/**
 * How fast a stage runs with one engine, model and device, learned from its runs. Pure. RTF (real-time factor) is seconds
 * of work for a second of audio.
 */
export interface Speed {
  /** Runs that it was learned from; 0 for a prior. */
  readonly count: number
  readonly rtf: number
  /** The standard deviation of the RTF, relative to it. */
  readonly spread: number
  /** Fetching, loading and delivering, whatever the length. */
  readonly overheadMs: number
}

export interface Run {
  readonly audioSeconds: number
  readonly runMs: number
  readonly overheadMs: number
}

/** Milliseconds, with the band within which half of all runs end. */
export interface Expectation {
  readonly ms: number
  readonly lowMs: number
  readonly highMs: number
  readonly isMeasured: boolean
}

/** Newer runs count more: an engine that was updated is soon known for what it is. */
const LEAST_WEIGHT = 0.1
/** A recording of a second says nothing of speed. */
const LEAST_AUDIO_SECONDS = 1
/** Half of a normal distribution lies within so many standard deviations of its middle. */
const QUARTILE = 0.674
/** What is only guessed may be so many times faster or slower. */
const PRIOR_BAND = 3

/** A guess until a first run was measured: from the benches of the engines that ship, and from the field's for the rest. */
const PRIOR_RTF: Readonly<Record<Stage, number>> = {
  prepare: 0.005,
  transcribe: 0.05,
  align: 0.02,
  diarize: 0.05,
  detect_emotions: 0.02,
  detect_events: 0.02,
  detect_topics: 0.01,
  refine: 0.02,
  pii_detect: 0.01,
  audio_redact: 0.005,
  merge: 0.0005,
}
const PRIOR_OVERHEAD_MS = 200

export function prior(stage: Stage): Speed {
  return { count: 0, rtf: PRIOR_RTF[stage], spread: 0, overheadMs: PRIOR_OVERHEAD_MS }
}

/** The speed after one more run: exponentially weighted mean and variance (West, 1979). */
export function learn(known: Speed | null, run: Run): Speed {
  const rtf = run.runMs / 1000 / Math.max(run.audioSeconds, LEAST_AUDIO_SECONDS)
  if (known === null) return { count: 1, rtf, spread: 0, overheadMs: run.overheadMs }
  const weight = Math.max(1 / (known.count + 1), LEAST_WEIGHT)
  const difference = rtf - known.rtf
  const mean = known.rtf + weight * difference
  const variance = (1 - weight) * ((known.spread * known.rtf) ** 2 + weight * difference ** 2)
  const overheadMs = known.overheadMs + weight * (run.overheadMs - known.overheadMs)
  return {
    count: known.count + 1,
    rtf: mean,
    spread: mean === 0 ? 0 : Math.sqrt(variance) / mean,
    overheadMs,
  }
}

/** How long a run over so much audio takes; without a measured speed by the stage's prior. */
export function expectation(stage: Stage, speed: Speed | null, audioSeconds: number): Expectation {
  const { count, rtf, spread, overheadMs } = speed ?? prior(stage)
  const workMs = rtf * Math.max(audioSeconds, LEAST_AUDIO_SECONDS) * 1000
  const ms = workMs + overheadMs
  const isMeasured = count > 0
  if (!isMeasured) return { ms, lowMs: ms / PRIOR_BAND, highMs: ms * PRIOR_BAND, isMeasured }
  const margin = QUARTILE * spread * workMs
  return { ms, lowMs: Math.max(0, ms - margin), highMs: ms + margin, isMeasured }
}
