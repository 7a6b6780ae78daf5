import { roundSeconds, SAMPLE_RATE_HZ, type SpeechRegion } from '#protocol/audio.ts'

/**
 * Where somebody may be speaking, from loudness alone: a frame is loud when it stands well above the quietest of the last
 * seconds. It leans towards speech: what is called silence is never transcribed, what is wrongly called speech only costs
 * time. Constant noise and hum become silence after four seconds.
 *
 * States: silence (an onset counts loud frames) → speech (until no loud frame came for the hangover) → silence.
 */
const FRAME_SECONDS = 0.02
const FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_SECONDS
/** White noise of one frame varies by about 0.4 dB, babble by some more: 7 dB above the floor is not its doing. */
const ENTER_DB = 7
/** Less than that to stay, so that the decay of a word belongs to it. */
const STAY_DB = 4
/** Below this nothing is speech, however silent the room: room tone of a good recording. */
const LOWEST_FLOOR_DBFS = -75
/** What is assumed before the recording: a file that begins in the middle of a word is heard from its start. */
const FIRST_FLOOR_DBFS = -60
/** The floor is the minimum over 8 blocks of half a second: nobody speaks four seconds without a pause for breath or a stop. */
const FLOOR_BLOCKS = 8
const BLOCK_FRAMES = 25
/** One loud frame is a click; two are the start of a sound. */
const ONSET_FRAMES = 2
/** Pauses inside a sentence are shorter than half a second. */
const HANGOVER_FRAMES = 25
/** Soft consonants before the first and after the last loud frame. Together less than the hangover, so regions never touch. */
const PAD_BEFORE_FRAMES = 10
const PAD_AFTER_FRAMES = 12

export type DetectorState = SilenceState | SpeechState

interface Floor {
  readonly blocks: readonly number[]
  readonly blockMinimum: number
  readonly blockFrames: number
}

interface SilenceState {
  readonly type: 'silence'
  readonly floor: Floor
  readonly loudFrames: number
}

interface SpeechState {
  readonly type: 'speech'
  readonly floor: Floor
  readonly firstLoud: number
  readonly lastLoud: number
}

/** A region in frames, end exclusive, not yet held inside the recording. */
export interface FrameRegion {
  readonly from: number
  readonly to: number
}

export const INITIAL_STATE: DetectorState = {
  type: 'silence',
  floor: {
    blocks: Array.from({ length: FLOOR_BLOCKS }, () => FIRST_FLOOR_DBFS),
    blockMinimum: Number.POSITIVE_INFINITY,
    blockFrames: 0,
  },
  loudFrames: 0,
}

/** One frame's level (dB of full scale) on; `ended` is a region that this frame proves to be over. */
export function step(
  state: DetectorState,
  frame: number,
  levelDbfs: number,
): { state: DetectorState; ended: FrameRegion | null } {
  const floor = lowered(state.floor, levelDbfs)
  const aboveDb = levelDbfs - Math.max(LOWEST_FLOOR_DBFS, Math.min(floor.blockMinimum, ...floor.blocks))
  if (state.type === 'silence') {
    const loudFrames = aboveDb >= ENTER_DB ? state.loudFrames + 1 : 0
    if (loudFrames < ONSET_FRAMES) return { state: { type: 'silence', floor, loudFrames }, ended: null }
    const firstLoud = frame - loudFrames + 1
    return { state: { type: 'speech', floor, firstLoud, lastLoud: frame }, ended: null }
  }
  const lastLoud = aboveDb >= STAY_DB ? frame : state.lastLoud
  if (frame - lastLoud < HANGOVER_FRAMES) return { state: { ...state, floor, lastLoud }, ended: null }
  return { state: { type: 'silence', floor, loudFrames: 0 }, ended: regionOf(state) }
}

/** The region that is still open when the recording ends. */
export function finish(state: DetectorState): FrameRegion | null {
  return state.type === 'speech' ? regionOf(state) : null
}

function regionOf(state: SpeechState): FrameRegion {
  return { from: Math.max(0, state.firstLoud - PAD_BEFORE_FRAMES), to: state.lastLoud + 1 + PAD_AFTER_FRAMES }
}

function lowered(floor: Floor, levelDbfs: number): Floor {
  const blockMinimum = Math.min(floor.blockMinimum, levelDbfs)
  const blockFrames = floor.blockFrames + 1
  if (blockFrames < BLOCK_FRAMES) return { blocks: floor.blocks, blockMinimum, blockFrames }
  return {
    blocks: [...floor.blocks.slice(1), blockMinimum],
    blockMinimum: Number.POSITIVE_INFINITY,
    blockFrames: 0,
  }
}

/** Feeds samples to the state machine; regions come out as soon as they are over. */
export class SpeechDetector {
  #state = INITIAL_STATE
  #frame = 0
  #squares = 0
  #count = 0

  push(samples: Int16Array): SpeechRegion[] {
    const regions: SpeechRegion[] = []
    for (let from = 0; from < samples.length; ) {
      const to = Math.min(samples.length, from + FRAME_SAMPLES - this.#count)
      this.#squares += energyOf(samples, from, to)
      this.#count += to - from
      from = to
      if (this.#count < FRAME_SAMPLES) continue
      const next = step(this.#state, this.#frame, levelOf(this.#squares / FRAME_SAMPLES))
      this.#state = next.state
      this.#frame += 1
      this.#squares = 0
      this.#count = 0
      if (next.ended !== null) regions.push(this.#seconds(next.ended))
    }
    return regions
  }

  flush(): SpeechRegion[] {
    const last = finish(this.#state)
    return last === null ? [] : [this.#seconds(last)]
  }

  /** Held inside what was heard so far. */
  #seconds(region: FrameRegion): SpeechRegion {
    const heard = this.#frame * FRAME_SECONDS + this.#count / SAMPLE_RATE_HZ
    return {
      start: roundSeconds(region.from * FRAME_SECONDS),
      end: roundSeconds(Math.min(region.to * FRAME_SECONDS, heard)),
    }
  }
}

function levelOf(meanSquare: number): number {
  return meanSquare === 0 ? -200 : 10 * Math.log10(meanSquare / 32_768 ** 2)
}

function energyOf(samples: Int16Array, from: number, to: number): number {
  let sum = 0
  for (let index = from; index < to; index++) {
    const sample = samples[index] ?? 0
    sum += sample * sample
  }
  return sum
}
