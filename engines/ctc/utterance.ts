/**
 * Collects the network's frames of a stretch and cuts them into utterances, each of which is decoded by itself. Pauses end a
 * sentence; speech without one is cut at its quietest place, so that memory is bounded however long somebody speaks.
 * Cuts depend on the frames alone, not on the windows in which they came.
 */

/** Half a second in which nothing but blanks and delimiters is likely: people pause so between sentences. */
const PAUSE_SECONDS = 0.5
/** The longest utterance. Decoding is linear in it, so this bounds memory, not quality. */
const MOST_SECONDS = 30
/** A frame is quiet where all letters together are less likely than this. */
const QUIET_LETTERS = 0.1

export interface Utterance {
  /** The recording's number of its first frame. */
  readonly firstFrame: number
  readonly frames: number
  /** [frame][token]; valid until the next call of the cutter. */
  readonly logProbs: Float32Array
  /** False where the cut was made inside a sentence: the next utterance goes on with this one's words. */
  readonly endsSentence: boolean
}

export interface CutterOptions {
  readonly tokenCount: number
  readonly blank: number
  readonly delimiter: number
  readonly frameSeconds: number
}

export class UtteranceCutter {
  readonly #options: CutterOptions
  readonly #pauseFrames: number
  readonly #mostFrames: number
  #logProbs: Float32Array
  #frames = 0
  #firstFrame = 0
  /** How many of the frames were looked at, and how many of the last of these are quiet. */
  #seen = 0
  #quiet = 0
  #hasLetters = false
  /** The longest quiet run in the second half of the longest utterance, ranked; where to cut if no pause comes. */
  #place = { rank: -1, frame: 0 }

  constructor(options: CutterOptions) {
    this.#options = options
    this.#pauseFrames = Math.ceil(PAUSE_SECONDS / options.frameSeconds)
    this.#mostFrames = Math.ceil(MOST_SECONDS / options.frameSeconds)
    this.#logProbs = new Float32Array(this.#mostFrames * options.tokenCount)
  }

  /** Begins a stretch at a frame of the recording. */
  begin(firstFrame: number): void {
    this.#frames = 0
    this.#firstFrame = firstFrame
    this.#forget()
  }

  /** Takes frames in and yields the utterances that they complete. */
  *push(logProbs: Float32Array): Generator<Utterance> {
    this.#append(logProbs)
    while (this.#seen < this.#frames) {
      this.#look(this.#seen)
      this.#seen += 1
      if (this.#quiet === this.#pauseFrames && this.#hasLetters)
        yield this.#cut(this.#seen - (this.#pauseFrames >> 1), true)
      else if (this.#seen >= this.#mostFrames)
        yield this.#cut(this.#place.rank > 0 ? this.#place.frame : this.#seen, !this.#hasLetters)
    }
  }

  /** The rest of the stretch. */
  *end(): Generator<Utterance> {
    if (this.#frames > 0) yield this.#cut(this.#frames, true)
  }

  #look(frame: number): void {
    const { tokenCount, blank, delimiter } = this.#options
    const row = frame * tokenCount
    const blankProb = Math.exp(this.#logProbs[row + blank] ?? 0)
    const delimiterProb = Math.exp(this.#logProbs[row + delimiter] ?? 0)
    const isQuiet = 1 - blankProb - delimiterProb < QUIET_LETTERS
    this.#quiet = isQuiet ? this.#quiet + 1 : 0
    if (!isQuiet) this.#hasLetters = true
    // A run in which the network writes a delimiter is between words for sure: it wins over any other.
    const rank = this.#quiet + (delimiterProb > 0.5 ? this.#mostFrames : 0)
    if (isQuiet && frame * 2 > this.#mostFrames && rank >= this.#place.rank)
      this.#place = { rank, frame: frame + 1 }
  }

  #cut(frames: number, endsSentence: boolean): Utterance {
    const { tokenCount } = this.#options
    const logProbs = this.#logProbs.slice(0, frames * tokenCount)
    this.#logProbs.copyWithin(0, frames * tokenCount, this.#frames * tokenCount)
    const utterance = { firstFrame: this.#firstFrame, frames, logProbs, endsSentence }
    this.#frames -= frames
    this.#firstFrame += frames
    this.#forget()
    return utterance
  }

  #forget(): void {
    this.#seen = 0
    this.#quiet = 0
    this.#hasLetters = false
    this.#place = { rank: -1, frame: 0 }
  }

  #append(logProbs: Float32Array): void {
    const { tokenCount } = this.#options
    const frames = Math.floor(logProbs.length / tokenCount)
    this.#reserve(this.#frames + frames)
    this.#logProbs.set(logProbs.subarray(0, frames * tokenCount), this.#frames * tokenCount)
    this.#frames += frames
  }

  #reserve(frames: number): void {
    const needed = frames * this.#options.tokenCount
    if (needed <= this.#logProbs.length) return
    const larger = new Float32Array(needed * 2)
    larger.set(this.#logProbs)
    this.#logProbs = larger
  }
}
