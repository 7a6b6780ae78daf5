import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CreatedJob } from '#protocol/api.ts'
import { JobTrace } from '#protocol/trace.ts'
import { Inbox } from '#tests/agent/kit/inbox.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, formOf, TRANSCRIPTIONS } from './kit/api.ts'
import { line } from './kit/outcomes.ts'
import { type Server, startServer } from './kit/server.ts'

/** The timeline of a real job, and its export to a collector (which stands outside the product). */
interface Export {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
const exports = new Inbox<Export>()
/** What the collector answers next. */
const statuses: number[] = []
const collector = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => {
    body += String(chunk)
  })
  request.on('end', () => {
    response.writeHead(statuses.shift() ?? 200).end()
    exports.put({ path: request.url ?? '', headers: request.headers, body })
  })
})
let server: Server
let agent: ScriptedAgent
beforeAll(async () => {
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address with that port.
  const { port } = collector.address() as AddressInfo
  server = await startServer({ DALSTON_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
  agent = await ScriptedAgent.connect(server)
})
afterAll(async () => {
  await agent.leave()
  await server.close()
  collector.close()
})

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'

test('[TR1, TR2, TR3] the timeline under the caller’s trace, exported when the job ends, again after a 503', async () => {
  statuses.push(503)
  const headers = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` }
  const answer = await call(server, TRANSCRIPTIONS, { method: 'POST', headers, body: formOf() })
  const { id } = CreatedJob.parse(await answer.json())
  await agent.run(id, 'prepare')
  await agent.run(id, 'transcribe', line(0, 0, 'secret words'))
  await exports.take('the refused export', () => true)
  const { path, headers: sent, body } = await exports.take('the export', () => true)
  expect([path, sent['content-type']]).toEqual(['/v1/traces', 'application/json'])
  expect(body).toContain(TRACE_ID)
  expect(body).toContain('b7ad6b7169203331')
  expect(body).not.toContain('secret')
  expect(body).not.toContain('call.wav')

  const trace = JobTrace.parse(await (await call(server, `${TRANSCRIPTIONS}/${id}/trace`)).json())
  expect(trace).toMatchObject({ job_id: id, trace_id: TRACE_ID, status: 'completed' })
  expect(trace.attempts.map(({ stage, outcome }) => [stage, outcome])).toEqual([
    ['prepare', 'completed'],
    ['transcribe', 'completed'],
    ['merge', 'completed'],
  ])
  expect(trace.attempts[0]?.why).toContain('box')
})
