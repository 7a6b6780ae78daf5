import { request } from 'node:http'
import type { Bench } from './bench.ts'
import { startBenchServer } from './kit/bench-server.ts'
import { residentMib, runtimePid } from './kit/memory.ts'
import { ScriptedAgent } from './kit/scripted-agent.ts'

const SIZE_BYTES = 1024 ** 3
const CHUNK_BYTES = 1024 ** 2
const GROWTH_LIMIT_MIB = 128
const SAMPLE_MS = 50

/** One gigabyte in one multipart request without Content-Length: how much the Worker's process grows. */
export const bench: Bench = {
  name: 'upload',
  async run(report) {
    await using server = await startBenchServer()
    const agent = await ScriptedAgent.join(server, 1)
    const pid = runtimePid()
    // A first, small upload loads what any upload needs.
    await server.client.submit(new Blob([new Uint8Array(CHUNK_BYTES)]), 'first.wav')
    const beforeMib = residentMib(pid)
    let peakMib = beforeMib
    const sampling = setInterval(() => {
      peakMib = Math.max(peakMib, residentMib(pid))
    }, SAMPLE_MS)
    const startMs = performance.now()
    const status = await upload(server.host.address, server.host.apiKey)
    const seconds = (performance.now() - startMs) / 1000
    clearInterval(sampling)
    agent.close()
    if (status !== 201) throw new Error(`the upload was answered with ${status}`)
    const growthMib = peakMib - beforeMib
    const common = { bench: 'upload', case: '1 GB, self-hosted' }
    report({
      ...common,
      figure: 'growth of the Worker process, peak',
      value: growthMib,
      unit: 'MiB',
      target: `<= ${GROWTH_LIMIT_MIB}`,
      ok: growthMib <= GROWTH_LIMIT_MIB,
    })
    report({
      ...common,
      figure: 'throughput',
      value: SIZE_BYTES / 1e6 / seconds,
      unit: 'MB/s',
      target: null,
      ok: null,
    })
  },
}

function upload(address: string, apiKey: string): Promise<number> {
  const boundary = 'dalston-bench-boundary'
  const headers = {
    authorization: `Bearer ${apiKey}`,
    'content-type': `multipart/form-data; boundary=${boundary}`,
  }
  return new Promise((resolve, reject) => {
    const call = request(`${address}/v1/audio/transcriptions`, { method: 'POST', headers }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    call.on('error', reject)
    call.write(`--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="big.wav"\r\n\r\n`)
    const chunk = Buffer.alloc(CHUNK_BYTES, 7)
    let sentBytes = 0
    const send = () => {
      while (sentBytes < SIZE_BYTES) {
        sentBytes += CHUNK_BYTES
        if (!call.write(chunk)) return void call.once('drain', send)
      }
      call.end(`\r\n--${boundary}--\r\n`)
    }
    send()
  })
}
