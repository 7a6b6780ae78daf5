import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type Bench, median } from './bench.ts'
import { startBareServer } from './kit/bare-server.ts'
import { type BenchServer, startBenchServer } from './kit/bench-server.ts'
import { ScriptedAgent } from './kit/scripted-agent.ts'
import { SseReader } from './kit/sse-reader.ts'

const CLIENTS = [1, 100, 1_000]
const MESSAGES = 40
const RATIO_LIMIT = 1.5
/** The longest gap between the turns of the two paths: each message waits until its last reader has it. */
const OPENING_AT_ONCE = 50

/** A path from one sender to all readers: `send` resolves when the last of them has the message. */
interface Path {
  send(index: number): Promise<number>
  close(): Promise<void>
}

/** Agent progress → every SSE client, beside bare objects with the same hops that only fan out, message by message in turn. */
export const bench: Bench = {
  name: 'fanout',
  async run(report) {
    for (const clients of CLIENTS) {
      const [real, bare] = [await realPath(clients), await barePath(clients)]
      const realMs: number[] = []
      const bareMs: number[] = []
      for (let index = 1; index <= MESSAGES; index++) {
        bareMs.push(await bare.send(index))
        realMs.push(await real.send(index))
      }
      await real.close()
      await bare.close()
      const name = `${clients} client${clients === 1 ? '' : 's'}`
      const ratio = median(realMs) / median(bareMs)
      const common = { bench: 'fanout', case: name, unit: 'ms', target: null, ok: null }
      report({ ...common, figure: 'progress to the last client, median', value: median(realMs) })
      report({ ...common, figure: 'bare fan-out, median', value: median(bareMs) })
      report({
        ...common,
        figure: 'ratio',
        value: ratio,
        unit: 'x',
        target: `<= ${RATIO_LIMIT}`,
        ok: ratio <= RATIO_LIMIT,
      })
    }
  },
}

async function realPath(clients: number): Promise<Path> {
  const server = await startBenchServer()
  const agent = await ScriptedAgent.join(server, 1)
  const { task_id, fence, jobId } = await runningTask(server, agent)
  const arrivals = new Arrivals(clients)
  const url = `${server.host.address}/v1/audio/transcriptions/${jobId}/events`
  const headers = { authorization: `Bearer ${server.host.apiKey}` }
  const readers = await openReaders(clients, () =>
    SseReader.open(url, headers, (name, data, atMs) => {
      if (name === 'task.progress') arrivals.add(JSON.parse(data).task.percent, atMs)
    }),
  )
  return {
    send: (index) => {
      const progress = { percent: index, message: null }
      return arrivals.after(index, () =>
        agent.send({ type: 'task.progress', task_id, fence, n: index, progress, partial: null }),
      )
    },
    close: async () => {
      for (const reader of readers) reader.close()
      agent.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function barePath(clients: number): Promise<Path> {
  const server = await startBareServer('bare-fan-out.js', { HUB: 'Hub', SOCKET: 'Socket' })
  const socket = new WebSocket(server.url.replace('http', 'ws'))
  await once(socket, 'open')
  const arrivals = new Arrivals(clients)
  const readers = await openReaders(clients, () =>
    SseReader.open(server.url, {}, (name, data, atMs) => {
      if (name === 'task.progress') arrivals.add(JSON.parse(data).index, atMs)
    }),
  )
  return {
    send: (index) => arrivals.after(index, () => socket.send(JSON.stringify({ index }))),
    close: async () => {
      for (const reader of readers) reader.close()
      socket.close()
      await server.stop()
    },
  }
}

/** A job whose first task an agent has started. */
async function runningTask(server: BenchServer, agent: ScriptedAgent) {
  const offered = agent.next('task.offer', () => true)
  const job = await server.client.submit(new Blob([new Uint8Array(1_000)]), 'bench.wav')
  const { task_id, fence } = await offered
  const granted = agent.next('task.granted', () => true)
  agent.send({ type: 'task.accept', task_id, fence })
  await granted
  agent.send({ type: 'task.started', task_id, fence })
  for await (const { event } of server.client.events(job.id)) {
    if (event.type === 'task.started' || (event.type === 'snapshot' && event.job.status === 'running')) break
  }
  return { task_id, fence, jobId: job.id }
}

async function openReaders(count: number, open: () => Promise<SseReader>): Promise<SseReader[]> {
  const readers: SseReader[] = []
  while (readers.length < count) {
    const some = Math.min(OPENING_AT_ONCE, count - readers.length)
    readers.push(...(await Promise.all(Array.from({ length: some }, open))))
  }
  return readers
}

/** Counts who has a message, and tells when the last one does. */
class Arrivals {
  readonly #clients: number
  #waiting: { index: number; missing: number; resolve: (atMs: number) => void } | null = null

  constructor(clients: number) {
    this.#clients = clients
  }

  async after(index: number, send: () => void): Promise<number> {
    const startMs = performance.now()
    const last = new Promise<number>((resolve) => {
      this.#waiting = { index, missing: this.#clients, resolve }
    })
    send()
    return (await last) - startMs
  }

  add(index: number, atMs: number): void {
    const waiting = this.#waiting
    if (waiting?.index !== index) return
    waiting.missing--
    if (waiting.missing === 0) waiting.resolve(atMs)
  }
}
