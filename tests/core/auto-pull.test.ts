import { describe, expect, test } from 'vitest'
import { pullable, whyWaitingForPull } from '#core/registry/auto-pull.ts'
import { operationView } from '#core/registry/operation-view.ts'
import { select } from '#core/select.ts'
import { DEFAULTS } from '#core/settings.ts'
import { ModelId, OperationId, TenantId } from '#protocol/ids.ts'
import { CatalogModel } from '#protocol/model.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import {
  agentId,
  aJob,
  aModel,
  anEngine,
  EVERYTHING,
  jobId,
  parametersOf,
  requirementsOf,
} from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** A job whose only want is a model's files. */
const WHISPER = anEngine({ id: 'whisper', stages: ['transcribe'], needsModel: true })
const BASE = ModelId.parse('whisper-base')
const OPERATION = OperationId.parse(`op_${'0'.repeat(26)}`)
const MIB = 1024 ** 2

function model(id: string, parts: object = {}): CatalogModel {
  return CatalogModel.parse({
    id,
    name: id,
    description: '',
    engine: 'whisper',
    runtime_model_id: id,
    stage: 'transcribe',
    source: { kind: 'hub', repository: `owner/${id}`, revision: null },
    files: [{ path: 'model.onnx', sha256: null, size_bytes: 100 * MIB }],
    languages: null,
    capabilities: { word_timestamps: true, punctuation: true, capitalization: true, streaming: false },
    hardware: { gpu_required: false, min_ram_mb: 400 },
    license: 'MIT',
    embedded: false,
    verified: false,
    ...parts,
  })
}

const CONTEXT = {
  settings: { ...DEFAULTS, modelsAutoPull: true },
  catalog: { engines: [WHISPER.manifest], models: [model('whisper-base'), model('whisper-large')] },
}
const ASKED = parametersOf({ models: { transcribe: BASE } })

/** Agent 1 has the engine and no model. */
function ready(context = CONTEXT): RegistryRun {
  const run = new RegistryRun(context)
  run.hello(1, { engines: [...EVERYTHING.slice(0, 1), WHISPER] })
  return run
}

function wait(run: RegistryRun, number = 1): void {
  const job = { jobId: jobId(number), tenantId: TenantId.parse('default'), parameters: ASKED }
  run.tell({ type: 'wait', job, pongs: run.pongs, operationId: OPERATION })
}

function say(run: RegistryRun, parts: Partial<OrderProgress>): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: 100, error: null, ...parts } as const
  run.says(1, { type: 'model.progress', operation_id: OPERATION, model_id: BASE, progress })
}

describe('the pull', () => {
  test('[AP1] an agent with the engine is told to pull, once, whoever else waits for it', () => {
    const run = ready()
    wait(run)
    expect(run.sent).toMatchObject([{ message: { type: 'model.order', action: 'pull', model_id: BASE } }])
    wait(run)
    wait(run, 2)
    expect(run.sent).toEqual([])
  })

  test('[AP2] the job says how far it is, in steps of ten percent', () => {
    const run = ready()
    wait(run)
    say(run, { bytes_done: 41 })
    const why = 'the model whisper-base is being pulled on agent box-1: 41 %'
    expect(run.effects).toContainEqual({ type: 'job.waits', jobId: jobId(), why })
    expect(whyWaitingForPull(run.state, jobId())).toBe(why)
    say(run, { bytes_done: 44 })
    expect(run.effects.filter(({ type }) => type === 'job.waits')).toEqual([])
  })

  test('[AP3] the model is there: the job is told its engines', () => {
    const run = ready()
    wait(run)
    say(run, { state: 'completed', bytes_done: 100 })
    const engines = [...EVERYTHING.slice(0, 1), { ...WHISPER, models: [aModel('whisper-base')] }]
    run.says(1, { type: 'agent.status', slots: 2, models_free_bytes: null, engines })
    run.wakeAfter(0, 1)
    expect(run.orders).toEqual([`selected:${jobId()}`])
  })

  test('[AP4] the pull failed: the job fails with its error, over an eviction too, and is off the list', () => {
    const run = ready()
    wait(run)
    const error = { code: 'hub_forbidden', message: 'Set HF_TOKEN.', retryable: false }
    say(run, { state: 'failed', error })
    const told = { ...error, message: 'The model whisper-base could not be pulled: Set HF_TOKEN.' }
    expect(run.effects).toContainEqual(
      expect.objectContaining({ effect: { type: 'job.unavailable', jobId: jobId(), error: told } }),
    )
    run.reload('s1')
    expect(run.state.outbox.has(`unavailable:${jobId()}`)).toBe(true)
    run.tell({ type: 'effect.answered', id: `unavailable:${jobId()}`, answer: 'ok' })
    expect(run.state.waiting.size).toBe(0)
    expect(operationView(run.state, OPERATION)).toMatchObject({ state: 'failed' })
  })

  test('[AP4] a job that is told so ends; one that has its engines does not', () => {
    const error = { code: 'hub_forbidden', message: 'Set HF_TOKEN.', retryable: false }
    const waiting = JobRun.created(aJob({ engines: [] }))
    expect(waiting.tell({ type: 'unavailable', error })).toBe('ok')
    expect(waiting.view).toMatchObject({ status: 'failed', error: { code: 'hub_forbidden' } })
    const running = JobRun.running()
    expect(running.tell({ type: 'unavailable', error })).toBe('stale')
  })
})

describe('whether', () => {
  const wouldPull = (run: RegistryRun, asked: Parameters<typeof requirementsOf>[0], context = CONTEXT) => {
    const choice = select(requirementsOf(asked), [{ agentId: agentId(1), engine: WHISPER }], context.catalog)
    return choice.ok ? null : (pullable(run.state, choice.error, context)?.model.id ?? null)
  }

  test('[AP5] a named model is pulled; of others only the preferred one', () => {
    expect(wouldPull(ready(), { model_id: BASE })).toBe(BASE)
    expect(wouldPull(ready(), {})).toBeNull()
    const preferred = { ...CONTEXT.catalog, models: [model('a'), model('b', { preferred: true })] }
    expect(wouldPull(ready(), {}, { ...CONTEXT, catalog: preferred })).toBe('b')
  })

  const agents: [string, Parameters<RegistryRun['hello']>[1], boolean][] = [
    ['room', { models_free_bytes: 200 * MIB, memory_mib: 4000 }, true],
    ['a full disk', { models_free_bytes: 99 * MIB }, false],
    ['too little memory', { memory_mib: 300 }, false],
    ['another engine', { engines: EVERYTHING }, false],
  ]
  test.each(agents)('[AP6] on an agent with %s: %j', (_name, parts, isPulled) => {
    const run = new RegistryRun(CONTEXT)
    run.hello(1, { engines: [WHISPER], ...parts })
    expect(wouldPull(run, { model_id: BASE })).toBe(isPulled ? BASE : null)
  })

  test('[AP6] not where the operator has it off, and not on an agent that is out of service', () => {
    const off = { ...CONTEXT, settings: DEFAULTS }
    expect(wouldPull(ready(off), { model_id: BASE }, off)).toBeNull()
    const drained = ready()
    drained.tell({ type: 'cordon', agentId: agentId(1), reason: 'new disk' })
    expect(wouldPull(drained, { model_id: BASE })).toBeNull()
  })
})
