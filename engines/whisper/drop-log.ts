import { roundSeconds } from '#protocol/audio.ts'
import type { PipelineWarning } from '#protocol/transcript.ts'

export type Dropped = 'silence' | 'repetition'

const WHY: Readonly<Record<Dropped, string>> = {
  silence: 'the model heard no speech',
  repetition: 'the model only repeated itself, at every temperature',
}

/** Counts stretches whose text was not kept, and tells of them in one warning a reason. Pure. */
export class DropLog {
  readonly #drops = new Map<Dropped, { count: number; seconds: number; first: number }>()

  add(reason: Dropped, start: number, seconds: number): void {
    const before = this.#drops.get(reason) ?? { count: 0, seconds: 0, first: start }
    this.#drops.set(reason, { ...before, count: before.count + 1, seconds: before.seconds + seconds })
  }

  warnings(): PipelineWarning[] {
    return [...this.#drops].map(([reason, { count, seconds, first }]) => ({
      stage: 'transcribe',
      code: `dropped_${reason}`,
      message: `Nothing was written for ${count} ${count === 1 ? 'stretch' : 'stretches'} (${roundSeconds(seconds)} s) where ${WHY[reason]}; the first begins at ${roundSeconds(first)} s.`,
    }))
  }
}
