import type { Answer } from './loop.ts'

/** The loop's `perform` from one that gives promises: what a promise resolves to is the effect's answer; null has none. */
export function promised<Effect, Input>(perform: (effect: Effect) => Promise<Input | null> | null) {
  return (effect: Effect, answer: Answer<Input>): void => {
    perform(effect)?.then(
      (input) => answer.ok(input),
      (cause: unknown) => answer.failed(cause),
    )
  }
}
