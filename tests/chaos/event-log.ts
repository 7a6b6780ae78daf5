import { createParser } from 'eventsource-parser'
import { isTerminalEvent, JobEvent } from '#protocol/events.ts'
import type { Server } from '#tests/e2e/kit/server.ts'

/** The whole log of a job that ended, read from the start; what is wrong with it, or null. */
export async function faultOfLog({ address, apiKey }: Server, id: string): Promise<string | null> {
  const response = await fetch(`${address}/v1/audio/transcriptions/${id}/events`, {
    headers: { authorization: `Bearer ${apiKey}`, 'last-event-id': '0' },
  })
  if (response.status !== 200) throw new Error(`the log was answered ${response.status}`)
  const order = new LogOrder()
  const parser = createParser({
    onEvent: ({ id, data }) => order.take(id ?? null, JobEvent.parse(JSON.parse(data))),
  })
  parser.feed(await response.text())
  return order.fault ?? (order.lastId === 0 ? 'the log is empty' : order.endFault)
}

/** Whether what a reader gets is gapless, and ends once. */
export class LogOrder {
  fault: string | null = null
  lastId = 0
  #ends = 0
  #isFirst = true

  take(id: string | null, event: JobEvent): void {
    if (event.type === 'snapshot') {
      // One at the start; a later one says that the server has forgotten what it had told.
      if (!this.#isFirst) this.#found(`a snapshot came again after event ${this.lastId}`)
      this.lastId = Number(id)
    } else if (id !== null) {
      const next = this.lastId + 1
      if (Number(id) !== next) this.#found(`event ${id} (${event.type}) came where ${next} was due`)
      if (this.#ends > 0) this.#found(`event ${id} (${event.type}) came after the end`)
      this.lastId = Number(id)
    }
    if (isTerminalEvent(event)) this.#ends++
    this.#isFirst = false
  }

  get endFault(): string | null {
    return this.#ends === 1 ? null : `it ends ${this.#ends} times`
  }

  #found(fault: string): void {
    this.fault ??= fault
  }
}
