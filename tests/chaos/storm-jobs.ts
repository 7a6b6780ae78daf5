import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Dalston } from '#client/dalston.ts'
import { DalstonProblem } from '#client/errors.ts'
import type { SubmitFields } from '#client/submit-fields.ts'
import { isTerminal } from '#protocol/job.ts'
import { sample } from '#tests/e2e/kit/installation.ts'
import type { Server } from '#tests/e2e/kit/server.ts'
import type { Recording } from './echo-engines.ts'
import { faultOfLog, LogOrder } from './event-log.ts'

/** The boxes with the real engines are a pool of their own: nothing else may prepare real sound. */
export const REAL_POOL = 'real'

/** What is sent, and the text that must come back. */
export interface Order {
  readonly file: Blob
  readonly fields: SubmitFields
  readonly text: string
}

export interface Ending {
  readonly id: string
  /** What is wrong with how it ended; empty when nothing is. */
  readonly faults: readonly string[]
  /** Runs beyond the first, over all stages. */
  readonly reruns: number
}

const ALPHABET = 'alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike'.split(' ')

/** A job whose words nobody else has; every second one has five tasks, the others three. */
export function scriptedOrder(number: number, random: () => number): Order {
  const said = Array.from({ length: 7 }, () => ALPHABET[Math.floor(random() * ALPHABET.length)])
  const words = ['job', `number${number}`, ...said].join(' ')
  const recording: Recording = {
    words,
    prepare_seconds: 0.2 + 0.3 * random(),
    transcribe_seconds: 0.3 + 2.7 * random(),
  }
  const fields: SubmitFields =
    number % 2 === 0
      ? { timestamps_granularity: 'segment' }
      : { engine_preference: 'modular', speaker_detection: 'diarize' }
  return { file: new Blob([`${JSON.stringify(recording)}\n`]), fields, text: words }
}

/** A sample recording for the built-in engines; `text` is what they made of it undisturbed. */
export function realOrder(name: Parameters<typeof sample>[0], text: string): Order {
  const file = new Blob([new Uint8Array(readFileSync(sample(name).path))])
  return { file, fields: { pool: REAL_POOL }, text }
}

/** A client that outlasts every outage of a storm. */
export function patientClient({ address, apiKey }: Server): Dalston {
  const retry = { attempts: 120, baseMs: 250, capMs: 1_000 }
  return new Dalston({ server: address, apiKey, retry, patientRetry: retry })
}

/** Sends until the server answers 201. What got no answer may have become a job too: its name is told. */
export async function accepted(
  client: Dalston,
  { file, fields }: Order,
  name: string,
  onUnanswered: (name: string) => void,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const tryName = `${name} try ${attempt}`
    try {
      const { id } = await client.submit(file, 'recording', { fields: { ...fields, name: tryName } })
      return id
    } catch (error) {
      // A refusal is an answer; 503 says to send it again.
      if (error instanceof DalstonProblem && error.status < 500) throw error
      onUnanswered(tryName)
      await sleep(200)
    }
  }
}

/** Follows the job to its end and looks at everything that it left. */
export async function ending(server: Server, client: Dalston, id: string, text: string): Promise<Ending> {
  const faults: string[] = []
  const order = new LogOrder()
  await patiently(async () => {
    const resumed = order.lastId === 0 ? {} : { lastEventId: String(order.lastId) }
    for await (const { id: eventId, event } of client.events(id, resumed)) order.take(eventId, event)
  })
  if (order.fault !== null) faults.push(`its reader: ${order.fault}`)
  const job = await patiently(() => client.get(id))
  const said = spoken(job.text)
  if (job.status !== 'completed') faults.push(`it is ${job.status}: ${JSON.stringify(job.error)}`)
  else if (said !== text) faults.push(`it says "${said}" in place of "${text}"`)
  if (!isTerminal(job.status)) faults.push('its stream ended before it did')
  const logFault = await patiently(() => faultOfLog(server, id))
  if (logFault !== null) faults.push(`its log: ${logFault}`)
  const reruns = job.stages.reduce((sum, { attempt }) => sum + Math.max(0, attempt - 1), 0)
  return { id, faults, reruns }
}

/** Words alone: lines and spaces are a matter of segments. */
export function spoken(text: string | null): string {
  return (text ?? '').split(/\s+/).join(' ').trim()
}

/** Again, until the server is there to answer. @throws what it says when it answers otherwise, or after a minute. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + 60_000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof DalstonProblem && error.status < 500) throw error
      if (performance.now() > deadlineMs) throw error
      await sleep(250)
    }
  }
}
