import { setTimeout as delay } from 'node:timers/promises'

/** Asks until the answer fits: for what the server does on its own and tells nobody. Fails with the last answer. */
export async function eventually<T>(
  ask: () => Promise<T>,
  fits: (answer: T) => boolean,
  limitMs = 10_000,
): Promise<T> {
  const untilMs = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (fits(answer)) return answer
    if (performance.now() > untilMs) {
      throw new Error(`not within ${limitMs} ms; the last answer: ${JSON.stringify(answer)?.slice(0, 1000)}`)
    }
    await delay(50)
  }
}
