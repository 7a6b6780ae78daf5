import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { z } from 'zod'
import { startAgent } from '#agent/agent.ts'
import { AgentConfig } from '#agent/config.ts'
import { type EngineList, entriesOf } from '#agent/engine-list.ts'
import type { RunningAgent } from '#agent/running-agent.ts'
import type { Grant, ServerMessage } from '#protocol/agent-messages.ts'
import { EngineId, JobId, ModelId, TaskId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, TaskParameters } from '#protocol/task.ts'
import { ControlPlane, JOIN_TOKEN, type Link } from './control-plane.ts'
import * as scripted from './engines.ts'
import { Inbox } from './inbox.ts'

export const SCRIPTED_LIST = entriesOf(import.meta.resolve('./engines.ts'), scripted)

/** A folder that goes with its test. */
export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dalston-agent-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function aControlPlane(): Promise<ControlPlane> {
  const plane = await ControlPlane.start()
  onTestFinished(() => plane.stop())
  return plane
}

export interface StartedAgent extends RunningAgent {
  readonly dataFolder: string
  /** Every line of its log, parsed. */
  readonly lines: Inbox<{ readonly event: string; readonly [field: string]: unknown }>
}

/** A real agent in this process, with scripted engines in real children. It is stopped with its test. */
export async function anAgent(
  plane: ControlPlane,
  change: Partial<z.input<typeof AgentConfig>> = {},
  engines: EngineList = SCRIPTED_LIST,
): Promise<StartedAgent> {
  const dataFolder = change.dataFolder ?? (await aFolder())
  const config = AgentConfig.parse({
    server: plane.url,
    joinToken: JOIN_TOKEN,
    name: 'box',
    threads: 1,
    memoryMib: 4096,
    rootFolder: dataFolder,
    ...change,
    dataFolder,
    timing: { backoffBaseMs: 10, backoffCapMs: 40, abortGraceMs: 200, ...change.timing },
  })
  const lines: StartedAgent['lines'] = new Inbox()
  const log = (event: string, fields = {}) => lines.put({ event, ...fields })
  const agent = await startAgent(config, engines, log)
  onTestFinished(async () => void (await agent.stop()))
  return {
    ready: agent.ready,
    ended: agent.ended,
    warm: () => agent.warm(),
    drain: (reason, limitMs) => agent.drain(reason, limitMs),
    stop: () => agent.stop(),
    dataFolder,
    lines,
  }
}

let jobs = 0

export function aGrant(stage: Stage = 'prepare', fence = 1): Grant {
  const job = JobId.parse(`job_01jd${String(jobs++).padStart(22, '0')}`)
  return { task_id: TaskId.parse(`${job}.${stage}`), fence }
}

export interface TaskScript {
  readonly grant?: Grant
  readonly script?: string
  readonly inputs?: readonly Artifact[]
  readonly runLimitMs?: number
  readonly stage?: Stage
  readonly modelId?: string
  readonly engineId?: string
  readonly parameters?: Partial<TaskParameters>
}

export function anOffer(
  grant: Grant,
  script: TaskScript = {},
): Extract<ServerMessage, { type: 'task.offer' }> {
  const stage = script.stage ?? 'prepare'
  return {
    type: 'task.offer',
    ...grant,
    stage,
    engine_id: EngineId.parse(script.engineId ?? (stage === 'prepare' ? 'scripted' : 'scripted-ctc')),
    model_id: script.modelId === undefined ? null : ModelId.parse(script.modelId),
    expires_at_ms: Date.now() + 5_000,
  }
}

export function aGranted(
  grant: Grant,
  script: TaskScript = {},
): Extract<ServerMessage, { type: 'task.granted' }> {
  return {
    type: 'task.granted',
    ...grant,
    lease_until_ms: Date.now() + 30_000,
    token: 'tt_first-task-token',
    inputs: [...(script.inputs ?? [])],
    output_prefix: `jobs/${grant.task_id}/f${grant.fence}/`,
    parameters: {
      file_name: script.script ?? 'ok',
      language: null,
      granularity: 'word',
      task: 'transcribe',
      prompt: null,
      vocabulary: [],
      temperature: null,
      audio_seconds: null,
      channel: null,
      split_channels: false,
      speakers: null,
      redaction: null,
      ...script.parameters,
    },
    prefetch: null,
    run_limit_ms: script.runLimitMs ?? 60_000,
  }
}

/** An upload in the store, as a task's input. */
export function anUpload(plane: ControlPlane, content: string | Buffer = 'sound'): Artifact {
  const bytes = Buffer.from(content)
  const key = `uploads/${plane.artifacts.objects.size}`
  plane.artifacts.objects.set(key, bytes)
  return { name: 'upload', key, size_bytes: bytes.length, content_type: 'application/octet-stream' }
}

/** Offer, accept, grant: the task runs when this resolves. */
export async function run(plane: ControlPlane, link: Link, script: TaskScript = {}): Promise<Grant> {
  const grant = script.grant ?? aGrant(script.stage ?? 'prepare')
  const inputs = script.inputs ?? [anUpload(plane)]
  link.send(anOffer(grant, script))
  await link.next('task.accept', (message) => message.task_id === grant.task_id)
  link.send(aGranted(grant, { ...script, inputs }))
  await link.next('task.started', (message) => message.task_id === grant.task_id)
  return grant
}

/** A gate that a `hold:` task waits at. */
export async function aGate(): Promise<{ readonly script: string; open(): Promise<void> }> {
  const path = join(await aFolder(), 'open')
  return { script: `hold:${path}`, open: () => writeFile(path, '') }
}

/** The engine children that an agent forked. */
export function pidsOf(agent: StartedAgent): number[] {
  return agent.lines.all.flatMap((line) => (line.event === 'engine.started' ? [Number(line.pid)] : []))
}

export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    // ESRCH: gone.
    return false
  }
}
