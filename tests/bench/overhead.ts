import { fileURLToPath } from 'node:url'
import { importFolder } from '#agent/models/import.ts'
import type { Dalston } from '#client/dalston.ts'
import { Program } from '#tests/e2e/kit/program.ts'
import { Server } from '#tests/e2e/kit/server.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { baseWhisper } from '#tests/kit/whisper-models.ts'
import { type Bench, median, type Report } from './bench.ts'
import { speechWav } from './kit/speech.ts'

/**
 * What a job costs beside its engines' compute, through the real server and a real agent on one core: the wall time from the
 * submit to the last event, less what prepare and Whisper (base size, decoder in 8 bits, random weights) were at work.
 */
const MODEL = 'whisper-base'
const CLIP = { what: 'a clip of 5 s', seconds: 5, rounds: 5 }
const HOUR = { what: 'one hour', seconds: 3_600, rounds: 1 }
const ENGINES = fileURLToPath(new URL('kit/overhead-engines.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const bench: Bench = { name: 'overhead', run: (report) => overhead(report, [CLIP, HOUR]) }

/** Seconds instead of minutes. */
export const clip: Bench = { name: 'overhead.clip', run: (report) => overhead(report, [CLIP]) }

async function overhead(report: Report, cases: readonly (typeof CLIP)[]): Promise<void> {
  using folder = new TempFolder()
  const data = folder.join('agent')
  await importFolder({
    rootFolder: ROOT,
    dataFolder: data,
    model: MODEL,
    folder: await baseWhisper('int8-decoder'),
    nowMs: Date.now(),
  })
  const server = await Server.start(folder.join('server'))
  const agent = await startAgent(server, data)
  try {
    // The first job of all loads the model, and everything else that is loaded once.
    await job(server.client, CLIP.seconds)
    for (const one of cases) await measure(report, server.client, one)
  } finally {
    await agent.end('SIGTERM')
    await server.stop()
  }
}

async function startAgent(server: Server, data: string): Promise<Program> {
  const { token } = await server.client.createJoinToken({})
  const place = ['--server', server.address, '--data', data, '--name', 'bench', '--threads', '1']
  const agent = new Program(['agent', ...place, '--engines', ENGINES, '--engines-only'], {
    DALSTON_JOIN_TOKEN: token,
  })
  await agent.said(/"agent\.welcomed"/)
  return agent
}

async function measure(
  report: Report,
  client: Dalston,
  { what, seconds, rounds }: typeof CLIP,
): Promise<void> {
  const jobs: Awaited<ReturnType<typeof job>>[] = []
  for (let round = 0; round < rounds; round++) jobs.push(await job(client, seconds))
  const middle = (of: (one: (typeof jobs)[number]) => number) => Math.round(median(jobs.map(of)))
  const overheadMs = middle((one) => one.wallMs - one.computeMs)
  const wallMs = middle((one) => one.wallMs)
  const figure = { bench: 'overhead', case: rounds === 1 ? what : `${what}, median of ${rounds}` }
  const plain = { ...figure, unit: 'ms', target: null, ok: null }
  report({ ...plain, figure: 'wall', value: wallMs })
  report({ ...plain, figure: 'compute', value: middle((one) => one.computeMs) })
  report({ ...plain, figure: 'transfers', value: middle((one) => one.transferMs) })
  const ratio = (100 * overheadMs) / wallMs
  const percent = { ...figure, figure: 'overhead', value: ratio, unit: '%', target: '<= 3', ok: ratio <= 3 }
  const absolute = { ...figure, figure: 'overhead', value: overheadMs, unit: 'ms' }
  const isShort = seconds < 60
  report({ ...absolute, target: isShort ? '<= 300' : null, ok: isShort ? overheadMs <= 300 : null })
  if (!isShort) report(percent)
}

/** One job to its end, and what its tasks say of themselves. */
async function job(client: Dalston, seconds: number) {
  const recording = speechWav(seconds)
  const startMs = performance.now()
  const fields = { model: MODEL, language: 'en' }
  const { id } = await client.submit(recording, 'speech.wav', { fields })
  for await (const { job } of client.follow(id))
    if (job.status === 'failed') throw new Error(`the job failed: ${JSON.stringify(job.error)}`)
  const wallMs = performance.now() - startMs
  const { attempts } = await client.trace(id)
  // The merge runs at the edge: what it takes is overhead.
  const ours = attempts.filter((attempt) => attempt.agent_id !== null)
  const sum = (of: 'run_ms' | 'transfer_ms') => ours.reduce((total, attempt) => total + (attempt[of] ?? 0), 0)
  return { wallMs, computeMs: sum('run_ms'), transferMs: sum('transfer_ms') }
}
