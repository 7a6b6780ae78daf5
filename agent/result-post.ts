import { type Dispatcher, request } from 'undici'
import { TaskAck } from '#protocol/agent-messages.ts'
import { retryAfterMs } from './backoff.ts'
import type { SessionEvent, TaskResult } from './session/state.ts'

type Posted = Pick<Extract<SessionEvent, { type: 'result.posted' }>, 'answer' | 'retryAfterMs'>

/** `POST /agent/v1/results`, once: the way of a result that the socket did not get through. Never rejects. */
export async function postResult(
  result: TaskResult,
  to: { readonly server: string; readonly credential: string; readonly dispatcher: Dispatcher },
): Promise<Posted> {
  try {
    const answer = await request(`${to.server}/agent/v1/results`, {
      method: 'POST',
      headers: { authorization: `Bearer ${to.credential}`, 'content-type': 'application/json' },
      body: JSON.stringify(result),
      dispatcher: to.dispatcher,
    })
    const text = await answer.body.text()
    if (answer.statusCode === 200)
      return { answer: TaskAck.parse(JSON.parse(text)).answer, retryAfterMs: null }
    if (NEVER.has(answer.statusCode)) return { answer: 'refused', retryAfterMs: null }
    return { answer: null, retryAfterMs: retryAfterMs(answer.headers['retry-after']?.toString(), Date.now()) }
  } catch {
    // No connection, a reset, or an answer that is not ours: all the same, the next try decides.
    return { answer: null, retryAfterMs: null }
  }
}

/** The server understood the request and says that this body is wrong: it will say so again. */
const NEVER: ReadonlySet<number> = new Set([400, 413, 422])
