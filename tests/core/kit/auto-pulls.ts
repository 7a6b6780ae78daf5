import { DEFAULTS } from '#core/settings.ts'
import { ModelId, OperationId, TenantId } from '#protocol/ids.ts'
import { CatalogModel } from '#protocol/model.ts'
import type { OrderProgress } from '#protocol/model-order.ts'
import { agentId, aModel, anEngine, EVERYTHING, jobId, parametersOf } from './builders.ts'
import { RegistryRun } from './registry-run.ts'

/** A job whose only want is a model's files. */
export const WHISPER = anEngine({ id: 'whisper', stages: ['transcribe'], needsModel: true })
export const BASE = ModelId.parse('whisper-base')
export const LARGE = ModelId.parse('whisper-large')
export const OPERATION = OperationId.parse(`op_${'0'.repeat(26)}`)
export const OTHER = OperationId.parse(`op_${'0'.repeat(25)}1`)
export const MIB = 1024 ** 2

export function model(id: string, parts: object = {}): CatalogModel {
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

export const CONTEXT = {
  settings: { ...DEFAULTS, modelsAutoPull: true },
  catalog: { engines: [WHISPER.manifest], models: [model('whisper-base'), model('whisper-large')] },
}
export const ONE_ORDER = { ...CONTEXT, settings: { ...CONTEXT.settings, modelQueueLimit: 1 } }
export const ASKED = parametersOf({ models: { transcribe: BASE } })

/** Agent 1 has the engine and no model. */
export function ready(context = CONTEXT): RegistryRun {
  const run = new RegistryRun(context)
  run.hello(1, { engines: [...EVERYTHING.slice(0, 1), WHISPER] })
  return run
}

export function wait(run: RegistryRun, number = 1, operationId = OPERATION): void {
  const job = { jobId: jobId(number), tenantId: TenantId.parse('default'), parameters: ASKED }
  run.tell({ type: 'wait', job, pongs: run.pongs, operationId })
}

export function say(
  run: RegistryRun,
  parts: Partial<OrderProgress>,
  {
    agent = 1,
    operation_id = OPERATION,
    model_id = BASE,
  }: { agent?: number; operation_id?: OperationId; model_id?: ModelId } = {},
): void {
  const progress = { state: 'pulling', bytes_done: 0, bytes_total: 100, error: null, ...parts } as const
  run.says(agent, { type: 'model.progress', operation_id, model_id, progress })
}

/** The model is on an agent's disk. */
export function announce(run: RegistryRun, agent = 1): void {
  const engines = [...EVERYTHING.slice(0, 1), { ...WHISPER, models: [aModel('whisper-base')] }]
  run.says(agent, { type: 'agent.status', slots: 2, models_free_bytes: null, engines })
}

/** An operator's pull. */
export function order(run: RegistryRun, modelId: ModelId, ...agents: number[]): void {
  const tenantId = TenantId.parse('default')
  const pull = { tenantId, action: 'pull', modelId, entry: null, keepAliveSeconds: null } as const
  run.tell({
    type: 'operation.begin',
    operation: { id: OTHER, ...pull },
    agentIds: agents.map((number) => agentId(number)),
  })
}
