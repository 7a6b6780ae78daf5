import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { EngineError } from '#engines/engine.ts'
import type { TaskError } from '#protocol/task.ts'
import { engineIn } from './engine-list.ts'
import { type ChildMessage, HostMessage } from './host-messages.ts'
import { watchParent } from './parent-watch.ts'
import { OUT_OF_MEMORY, saysOutOfMemory } from './residency/tries.ts'
import { engineTask, isEngineStage } from './stage-inputs.ts'

/**
 * The process that runs one engine: `node engine-child.ts <list module> <engine id>`. One task at a time; it holds the
 * models that it was told to load until it is told to unload them. It may block its thread and may be killed at any time.
 */
type Order<T extends HostMessage['type']> = Extract<HostMessage, { type: T }>

const [listUrl = '', engineId = ''] = process.argv.slice(2)
watchParent()
process.on('disconnect', () => process.exit(0))

const engine = await engineIn(await import(listUrl), engineId).load()
const models = new Map<string | null, unknown>()
let running: AbortController | null = null

process.on('message', (raw) => {
  const message = HostMessage.parse(raw)
  switch (message.type) {
    case 'load':
      void answer(message.request, () => load(message))
      break
    case 'unload':
      void answer(message.request, () => unload(message))
      break
    case 'run':
      void answer(message.request, () => run(message))
      break
    case 'abort':
      running?.abort(new EngineError({ code: 'aborted', message: message.message, retryable: true }))
  }
})

async function answer(request: number, work: () => Promise<ChildMessage>): Promise<void> {
  try {
    tell(await work())
  } catch (error) {
    tell({ type: 'failed', request, error: taskErrorOf(error) })
  }
}

async function load({ request, model }: Order<'load'>): Promise<ChildMessage> {
  const rssBeforeMib = rssMib()
  const startMs = performance.now()
  models.set(model.id, await engine.load(model))
  const loadMs = Math.round(performance.now() - startMs)
  return { type: 'loaded', request, loadMs, rssBeforeMib, rssAfterMib: rssMib() }
}

async function unload({ request, modelId }: Order<'unload'>): Promise<ChildMessage> {
  await dispose(modelId)
  collectGarbage()
  return { type: 'unloaded', request, rssMib: rssMib() }
}

/** A function of its own: what it names would outlive the collection. */
async function dispose(modelId: string): Promise<void> {
  const model = models.get(modelId)
  if (models.delete(modelId)) await engine.dispose(model)
}

async function run(order: Order<'run'>): Promise<ChildMessage> {
  if (!isEngineStage(order.stage)) throw new Error(`expected a stage of an engine, got ${order.stage}`)
  const abort = new AbortController()
  running = abort
  try {
    const model = await modelOf(order.modelId)
    const startMs = performance.now()
    const summary = await engine.run(engineTask(order.stage, order), model, {
      signal: abort.signal,
      batchScale: order.batchScale,
      report: (progress, partial) => tell({ type: 'report', progress, partial: partial ?? null }),
    })
    const runMs = Math.round(performance.now() - startMs)
    return { type: 'finished', request: order.request, summary, runMs }
  } finally {
    running = null
  }
}

async function modelOf(modelId: string | null): Promise<unknown> {
  // An engine that runs without a model may still prepare something, once.
  if (modelId === null && !models.has(null)) models.set(null, await engine.load(null))
  if (!models.has(modelId)) throw new Error(`expected the model ${modelId} to be loaded`)
  return models.get(modelId)
}

function taskErrorOf(error: unknown): TaskError {
  if (error instanceof EngineError) return error.taskError
  const message = (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 2000)
  return { code: saysOutOfMemory(message) ? OUT_OF_MEMORY : 'engine_error', message, retryable: true }
}

/** What a model held in JavaScript goes now, not some time: the figure after it decides whether this process may stay. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') return
  collect()
  // The memory of array buffers is given back by the collection after theirs.
  collect()
}

function rssMib(): number {
  return Math.round(process.memoryUsage.rss() / 1024 ** 2)
}

function tell(message: ChildMessage): void {
  process.send?.(message)
}
