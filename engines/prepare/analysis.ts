import type { SpeechRegion } from '#protocol/audio.ts'
import { type Loudness, LoudnessMeter } from '../audio/loudness-meter.ts'
import { SpeechDetector } from '../audio/speech-detector.ts'
import { Waveform } from '../audio/waveform.ts'

export interface Found {
  readonly regions: readonly SpeechRegion[]
  readonly peaks: Uint8Array
}

/** Everything that prepare learns from the samples, in one pass and constant memory. */
export class Analysis {
  readonly #meter = new LoudnessMeter()
  readonly #detector = new SpeechDetector()
  readonly #waveform = new Waveform()
  #samples = 0
  #speechSeconds = 0

  get samples(): number {
    return this.#samples
  }

  get speechSeconds(): number {
    return this.#speechSeconds
  }

  push(samples: Int16Array): Found {
    this.#samples += samples.length
    this.#meter.push(samples)
    return this.#found(this.#detector.push(samples), this.#waveform.push(samples))
  }

  flush(): Found {
    return this.#found(this.#detector.flush(), this.#waveform.flush())
  }

  loudness(): Loudness {
    return this.#meter.result()
  }

  #found(regions: readonly SpeechRegion[], peaks: Uint8Array): Found {
    for (const region of regions) this.#speechSeconds += region.end - region.start
    return { regions, peaks }
  }
}
