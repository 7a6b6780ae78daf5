import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from '#engines/engine.ts'
import type { Artifact, TaskOutcome } from '#protocol/task.ts'
import { Artifacts, type TransferOptions } from './artifacts.ts'
import type { OutputCache } from './cache.ts'
import type { EngineHosts, HostedWork } from './engine-hosts.ts'
import { sentenceOf } from './log.ts'
import type { Report } from './progress.ts'
import type { TaskGranted, TaskOffer } from './session/state.ts'
import { contentTypeOf, inputsOf, outputNames } from './stage-files.ts'
import { isEngineStage } from './stage-inputs.ts'
import type { TaskFolder, WorkFolder } from './work-folder.ts'

/** What a task needs from its agent. */
export interface TaskTools {
  readonly work: WorkFolder
  readonly cache: OutputCache
  readonly hosts: EngineHosts
  readonly transfer: Omit<TransferOptions, 'token' | 'signal'>
  readonly nowMs: () => number
}

export interface TaskOrder {
  readonly offer: TaskOffer
  readonly granted: TaskGranted
  /** The newest one: leases bring new tokens. */
  readonly token: () => string
  readonly signal: AbortSignal
  readonly onReport: (report: Report) => void
}

/**
 * One task from its grant to its outcome: fetch the inputs, run the engine, upload the outputs, leave nothing behind but
 * the cached outputs. Never rejects: every failure is an outcome.
 */
export async function runTask(order: TaskOrder, tools: TaskTools): Promise<TaskOutcome> {
  const limited = withRunLimit(order)
  try {
    const folder = await tools.work.forTask(`${order.granted.task_id}.f${order.granted.fence}`)
    try {
      return await runIn(folder, { ...order, signal: limited.signal }, tools)
    } finally {
      await folder.remove()
    }
  } catch (error) {
    if (error instanceof EngineError) return { status: 'failed', error: error.taskError }
    return { status: 'failed', error: { code: 'agent_error', message: sentenceOf(error), retryable: true } }
  } finally {
    limited.clear()
  }
}

async function runIn(folder: TaskFolder, order: TaskOrder, tools: TaskTools): Promise<TaskOutcome> {
  const { offer, granted, signal } = order
  if (!isEngineStage(offer.stage)) throw refusal('stage_unknown', `This agent runs no ${offer.stage}.`)
  const artifacts = new Artifacts({ ...tools.transfer, token: order.token, signal })

  // What the job needs next is loaded meanwhile; whether it was shows in the log, and when its task comes.
  if (granted.prefetch !== null) void tools.hosts.prefetch(granted.prefetch.model_id, null)
  const fetchStart = tools.nowMs()
  const inputs = inputsOf(offer.stage, granted.inputs, granted.parameters.channel)
  const files = await fetchInputs(inputs, folder, artifacts, tools.cache)
  const fetchMs = tools.nowMs() - fetchStart

  const work: HostedWork = {
    engineId: offer.engine_id,
    modelId: offer.model_id,
    stage: offer.stage,
    files,
    outputFolder: folder.outputs,
    parameters: granted.parameters,
  }
  const answer = await tools.hosts.run(work, signal, order.onReport)
  if (!answer.ok) throw new EngineError(answer.error)
  const { summary } = answer
  if (summary.stage !== offer.stage)
    throw badOutput(`The engine answered with a summary of ${summary.stage} instead of ${offer.stage}.`)

  const uploadStart = tools.nowMs()
  const names = outputNames(offer.stage, granted.parameters, summary)
  const outputs = await uploadOutputs(names, folder, granted.output_prefix, artifacts)
  const transfer_ms = Math.round(fetchMs + tools.nowMs() - uploadStart)
  signal.throwIfAborted()
  for (const { artifact, path } of outputs)
    await tools.cache.keep(artifact.key, path, artifact.size_bytes, tools.nowMs())
  return {
    status: 'completed',
    artifacts: outputs.map((output) => output.artifact),
    summary,
    metrics: { transfer_ms, swap_ms: answer.swapMs, load_ms: answer.loadMs, run_ms: answer.runMs },
  }
}

async function fetchInputs(
  inputs: ReadonlyMap<string, Artifact>,
  folder: TaskFolder,
  artifacts: Artifacts,
  cache: OutputCache,
): Promise<HostedWork['files']> {
  const files: HostedWork['files'] = {}
  for (const [name, input] of inputs) {
    const path = join(folder.inputs, name)
    if (!(await cache.lend(input.key, path, input.size_bytes))) await artifacts.download(input, path)
    files[name] = { path, sizeBytes: input.size_bytes }
  }
  return files
}

async function uploadOutputs(
  names: readonly string[],
  folder: TaskFolder,
  prefix: string,
  artifacts: Artifacts,
): Promise<{ readonly artifact: Artifact; readonly path: string }[]> {
  const outputs: { readonly artifact: Artifact; readonly path: string }[] = []
  for (const name of names) {
    const path = join(folder.outputs, name)
    const stats = await stat(path).catch(() => null)
    if (stats === null) throw badOutput(`The engine wrote no ${name}, which its stage promises.`)
    const content_type = contentTypeOf(name)
    const artifact = { name, key: `${prefix}${name}`, size_bytes: stats.size, content_type }
    await artifacts.upload(artifact.key, path, artifact.size_bytes, content_type)
    outputs.push({ artifact, path })
  }
  return outputs
}

/** The grant's run limit is over the whole task, transfers too: what hangs is ended, wherever it hangs. */
function withRunLimit(order: TaskOrder): { readonly signal: AbortSignal; clear(): void } {
  const limit = new AbortController()
  const { run_limit_ms } = order.granted
  const timer = setTimeout(() => {
    const message = `The task ran longer than its limit of ${Math.round(run_limit_ms / 1000)} s.`
    limit.abort(new EngineError({ code: 'run_timeout', message, retryable: true }))
  }, run_limit_ms)
  return { signal: AbortSignal.any([order.signal, limit.signal]), clear: () => clearTimeout(timer) }
}

function refusal(code: string, message: string): EngineError {
  return new EngineError({ code, message, retryable: false })
}

/** Retryable, because another agent may have a better build of the engine; the budget ends it if none has. */
function badOutput(message: string): EngineError {
  return new EngineError({ code: 'engine_bad_output', message, retryable: true })
}
