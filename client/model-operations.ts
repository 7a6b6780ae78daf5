import { ModelOperationView } from '#protocol/model-order.ts'
import { DalstonUnreachable } from './errors.ts'
import { readMessages, StreamLost } from './events.ts'
import { type Connection, isPassing, parseAnswer, refusal } from './http.ts'
import { retryDelayMs, wait } from './retry.ts'

/** A stream this long without a byte is dead: three of the server's comments are missing. */
const SILENCE_MS = 45_000

/**
 * A model operation as it stands at each change, until it is over; across disconnects, since each view is whole. Ends
 * after the last view.
 * @throws DalstonProblem (no such operation, bad key), DalstonUnreachable, or the signal's reason.
 */
export async function* watchOperation(
  connection: Connection,
  path: string,
  signal: AbortSignal | null,
): AsyncGenerator<ModelOperationView, void, void> {
  const request = `GET ${connection.server}${path}`
  for (let failures = 1; ; failures++) {
    const headers = { accept: 'text/event-stream' }
    const answer = await connection.sendOnce(path, { headers, signal: signal ?? undefined })
    if (answer instanceof Response && !answer.ok && !isPassing(answer)) throw await refusal(answer, request)
    let lost: unknown = answer
    if (answer instanceof Response && answer.ok) {
      try {
        for await (const { data } of readMessages(answer, SILENCE_MS)) {
          const view = parseAnswer(ModelOperationView, data, request)
          failures = 1
          yield view
          if (view.state !== 'running') return
        }
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (!(error instanceof StreamLost)) throw error
        lost = error.cause
      }
    } else if (answer instanceof Response) await answer.body?.cancel()
    if (failures >= connection.patientRetry.attempts) throw new DalstonUnreachable(connection.server, lost)
    await wait(retryDelayMs(connection.patientRetry, failures, Math.random()), signal)
  }
}
