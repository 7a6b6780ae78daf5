import { setTimeout as delay } from 'node:timers/promises'
import type { Artifact } from '#protocol/task.ts'
import { completed, line } from '#tests/workerd/kit/outcomes.ts'
import type { BenchServer } from './bench-server.ts'
import { httpCall } from './http-call.ts'
import type { ScriptedAgent } from './scripted-agent.ts'
import type { Granted, Work } from './working-agent.ts'

const FILES: Readonly<Record<'prepare' | 'transcribe', readonly string[]>> = {
  prepare: ['audio.s16', 'speech.jsonl', 'peaks.u8'],
  transcribe: ['transcript.jsonl'],
}

export interface WorkOptions {
  /** True: reads the recording and writes every file of the stage, as an agent does; false: the one that the next task needs. */
  readonly isWhole: boolean
  /** How long a transcription takes; it then reports once a second and extends its lease. */
  readonly transcribeSeconds: number
}

/** What an agent does for prepare and transcribe, with files of a few bytes in place of an engine. */
export function stageWork(server: BenchServer, agent: ScriptedAgent, options: WorkOptions): Work {
  return async (grant) => {
    const stage = stageOf(grant)
    if (options.isWhole && stage === 'prepare') await readInputs(server, grant)
    if (stage === 'transcribe') await report(agent, grant, options.transcribeSeconds)
    const names = FILES[stage]
    const written = options.isWhole ? names : names.slice(0, 1)
    const artifacts = await Promise.all(written.map((name) => upload(server, grant, name)))
    return completed(stage, artifacts)
  }
}

function stageOf({ task_id }: Granted): 'prepare' | 'transcribe' {
  return task_id.endsWith('.prepare') ? 'prepare' : 'transcribe'
}

async function readInputs({ host }: BenchServer, { inputs, token }: Granted): Promise<void> {
  for (const { key } of inputs) {
    const headers = { authorization: `Bearer ${token}` }
    await httpCall({ method: 'GET', url: `${host.address}/agent/v1/artifacts/${key}`, headers })
  }
}

const LEASE_EXTEND_MS = 7_500

async function report(agent: ScriptedAgent, { task_id, fence }: Granted, seconds: number): Promise<void> {
  if (seconds === 0) return
  const extending = setInterval(
    () => agent.send({ type: 'lease.extend', leases: [{ task_id, fence }] }),
    LEASE_EXTEND_MS,
  )
  for (let second = 1; second <= seconds; second++) {
    await delay(1_000)
    const progress = { percent: Math.floor((second / seconds) * 100), message: null }
    agent.send({ type: 'task.progress', task_id, fence, n: second, progress, partial: null })
  }
  clearInterval(extending)
}

async function upload({ host }: BenchServer, grant: Granted, name: string): Promise<Artifact> {
  const key = `${grant.output_prefix}${name}`
  const content_type = 'application/octet-stream'
  const body = name === 'transcript.jsonl' ? line(0, 0, 'hello world') : Buffer.alloc(64)
  const headers = { authorization: `Bearer ${grant.token}`, 'content-type': content_type }
  const url = `${host.address}/agent/v1/artifacts/${key}`
  const { status, text } = await httpCall({ method: 'PUT', url, headers, body })
  if (status !== 201) throw new Error(`PUT ${key} was answered ${status}: ${text.slice(0, 200)}`)
  return { name, key, size_bytes: Buffer.byteLength(body), content_type }
}
