import type { AudioSource } from './decoding.ts'

/**
 * Reads ffmpeg's stderr (`-loglevel level+info`): what the input is, how long, and what went wrong. Pure, of constant
 * memory: only the first audio stream's line and the last errors are kept.
 */
const KEPT_ERRORS = 4
const KEPT_CHARACTERS = 300

const INPUT = /^\[info\] Input #0, (\S+), from /
const DURATION = /^\[info\] {3}Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/
/** The indent tells a stream's line from a tag's value, which stands deeper. */
const AUDIO_STREAM =
  /^\[info\] {2,3}Stream #0:\d+\S*: Audio: ([a-z0-9_]+)[^,]*(?:\([^)]*\))?, (\d+) Hz, ([^,]+)/
const OUTPUT = /^\[info\] Output #0, /
/** An mp3 without a length in its header: a guess from its first frames. */
const ESTIMATED = /Estimating duration from bitrate/
const PROBLEM = /(?:^|\] )\[(?:error|fatal|panic)\] (.*)$/

export class FfmpegReport {
  #rest = ''
  #inputOver = false
  #container: string | null = null
  #stream: Omit<AudioSource, 'container'> | null = null
  #durationSeconds: number | null = null
  #isEstimated = false
  #errors: string[] = []

  push(text: string): void {
    const lines = `${this.#rest}${text}`.split(/[\r\n]+/)
    this.#rest = (lines.pop() ?? '').slice(0, 10_000)
    for (const line of lines) this.#read(line)
  }

  get durationSeconds(): number | null {
    return this.#durationSeconds
  }

  /** The length that the file states; null for a guess. */
  get statedSeconds(): number | null {
    return this.#isEstimated ? null : this.#durationSeconds
  }

  /** What could not be told is `unknown`; channels and rate fall back to one and to the output's. */
  source(): AudioSource {
    const stream = this.#stream ?? { codec: 'unknown', channels: 1, sample_rate_hz: 16_000 }
    return { container: this.#container ?? 'unknown', ...stream }
  }

  /** The last errors, oldest first, joined. */
  problem(): string {
    if (this.#rest !== '') this.push('\n')
    return this.#errors.join('; ')
  }

  #read(line: string): void {
    const problem = PROBLEM.exec(line)?.[1]
    if (problem !== undefined) {
      this.#errors = [...this.#errors.slice(1 - KEPT_ERRORS), problem.slice(0, KEPT_CHARACTERS)]
      return
    }
    if (this.#inputOver) return
    if (ESTIMATED.test(line)) this.#isEstimated = true
    if (OUTPUT.test(line)) this.#inputOver = true
    this.#container ??= INPUT.exec(line)?.[1]?.replace(/,$/, '') ?? null
    const duration = DURATION.exec(line)
    if (duration !== null)
      this.#durationSeconds = Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3])
    const stream = AUDIO_STREAM.exec(line)
    if (stream !== null && this.#stream === null) {
      const [, codec = 'unknown', rate = '', layout = ''] = stream
      this.#stream = { codec, channels: channelsOf(layout), sample_rate_hz: Math.max(1, Number(rate)) }
    }
  }
}

const LAYOUTS: Readonly<Record<string, number>> = {
  mono: 1,
  stereo: 2,
  downmix: 2,
  quad: 4,
  hexagonal: 6,
  octagonal: 8,
  cube: 8,
  hexadecagonal: 16,
}

/** Channels of a layout as ffmpeg writes it: `stereo`, `5.1(side)`, `3 channels`. */
export function channelsOf(layout: string): number {
  const name = layout.trim()
  const counted = /^(\d+) channels/.exec(name)?.[1]
  if (counted !== undefined) return Math.max(1, Number(counted))
  const numbers = /^\d+(\.\d+)+/.exec(name)?.[0]
  if (numbers !== undefined) return numbers.split('.').reduce((sum, part) => sum + Number(part), 0)
  return LAYOUTS[name.replace(/\(.*/, '')] ?? 1
}
