import { type Engine, EngineError, type EngineStage } from '#engines/engine.ts'
import type { TaskError } from '#protocol/task.ts'
import { engineIn } from './engine-list.ts'
import { type ChildMessage, HostMessage, type RunOrder } from './host-messages.ts'
import { watchParent } from './parent-watch.ts'
import { engineTask, isEngineStage } from './stage-inputs.ts'

/**
 * The process that runs one engine: `node engine-child.ts <list module> <engine id>`. One task at a time; the model stays
 * loaded until a task brings another. It may block its thread and may be killed at any time.
 */
const [listUrl = '', engineId = ''] = process.argv.slice(2)
watchParent()
process.on('disconnect', () => process.exit(0))

const engine = await engineIn(await import(listUrl), engineId).load()
let loaded: { readonly id: string | null; readonly model: unknown } | null = null
let running: AbortController | null = null

process.on('message', (raw) => {
  const message = HostMessage.parse(raw)
  if (message.type === 'run') void run(message)
  else running?.abort(new EngineError({ code: 'aborted', message: message.message, retryable: true }))
})

async function run(order: RunOrder): Promise<void> {
  running = new AbortController()
  try {
    const loadStart = performance.now()
    const model = await modelFor(order)
    const runStart = performance.now()
    const summary = await runEngine(engine, order, model, running.signal)
    const end = performance.now()
    tell({
      type: 'finished',
      summary,
      loadMs: Math.round(runStart - loadStart),
      runMs: Math.round(end - runStart),
    })
  } catch (error) {
    tell({ type: 'failed', error: taskErrorOf(error) })
  } finally {
    running = null
  }
}

async function modelFor(order: RunOrder): Promise<unknown> {
  const id = order.model?.id ?? null
  if (loaded !== null && loaded.id === id) return loaded.model
  if (loaded !== null) {
    const { model } = loaded
    loaded = null
    await engine.dispose(model)
    tell({ type: 'model', id: null })
  }
  const model = await engine.load(order.model)
  loaded = { id, model }
  if (id !== null) tell({ type: 'model', id })
  return model
}

function runEngine(
  one: Engine<EngineStage, unknown>,
  order: RunOrder,
  model: unknown,
  signal: AbortSignal,
): ReturnType<Engine<EngineStage, unknown>['run']> {
  if (!isEngineStage(order.stage)) throw new Error(`expected a stage of an engine, got ${order.stage}`)
  return one.run(engineTask(order.stage, order), model, {
    signal,
    batchScale: order.batchScale,
    report: (progress, partial) => tell({ type: 'report', progress, partial: partial ?? null }),
  })
}

function taskErrorOf(error: unknown): TaskError {
  if (error instanceof EngineError) return error.taskError
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { code: 'engine_error', message: message.slice(0, 2000), retryable: true }
}

function tell(message: ChildMessage): void {
  process.send?.(message)
}
