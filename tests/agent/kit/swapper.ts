import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { EngineHosts, type EngineHostsOptions } from '#agent/engine-hosts.ts'
import { entriesOf } from '#agent/engine-list.ts'
import type { Report } from '#agent/progress.ts'
import { CatalogModel } from '#protocol/model.ts'
import { PARAMETERS } from '#tests/kit/engine-runs.ts'
import { Inbox } from './inbox.ts'
import * as swapEngines from './swap-engines.ts'
import { Behaviour } from './swap-engines.ts'

export const SWAP_LIST = entriesOf(import.meta.resolve('./swap-engines.ts'), swapEngines)

type Sketch = z.input<typeof Behaviour> & {
  /** What the catalog says it takes; null: nothing. */
  readonly needs_mib?: number | null
}

/** The engine children of an agent, real ones, with models that the test makes. */
export class Swapper {
  readonly hosts: EngineHosts
  readonly lines = new Inbox<{ readonly event: string; readonly [field: string]: unknown }>()
  readonly pinned = new Set<string>()
  /** The models in memory at each change. */
  readonly loaded: string[][] = []
  readonly #folder: string
  readonly #models = new Map<string, CatalogModel>()
  readonly #identities = new Map<string, string>()
  readonly #inUse: string[] = []

  constructor(folder: string, options: Partial<EngineHostsOptions>) {
    this.#folder = folder
    this.hosts = new EngineHosts(SWAP_LIST, {
      abortGraceMs: 200,
      log: (event, fields = {}) => this.lines.put({ event, ...fields }),
      nowMs: () => performance.now(),
      threads: 1,
      device: 'cpu',
      memoryMib: 1_000,
      vramMib: null,
      keepAliveSeconds: null,
      onChanged: () => this.loaded.push([...this.hosts.loadedModels()].sort()),
      models: {
        resolve: async (modelId) => this.#resolve(modelId),
        use: (modelId) => {
          this.#inUse.push(modelId)
          return { [Symbol.dispose]: () => void this.#inUse.splice(this.#inUse.indexOf(modelId), 1) }
        },
        isPinned: (modelId) => this.pinned.has(modelId),
        identityOf: (modelId) => this.#identities.get(modelId) ?? null,
      },
      ...options,
    })
  }

  get inUse(): readonly string[] {
    return this.#inUse
  }

  /** The children that were forked. */
  get pids(): number[] {
    return this.lines.all.flatMap((line) => (line.event === 'engine.started' ? [Number(line.pid)] : []))
  }

  /** Brings it, or another one in its place. */
  async model(id: string, { needs_mib = 100, ...behaviour }: Sketch = {}): Promise<void> {
    const folder = join(this.#folder, id)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'model.json'), JSON.stringify(Behaviour.parse(behaviour)))
    const entry: z.input<typeof CatalogModel> = {
      id,
      name: id,
      description: '',
      engine: 'swapper',
      runtime_model_id: id,
      stage: 'transcribe',
      source: { kind: 'folder' },
      files: [{ path: 'model.json', sha256: null, size_bytes: null }],
      languages: null,
      capabilities: { word_timestamps: true, punctuation: false, capitalization: false, streaming: false },
      hardware: { gpu_required: false, min_ram_mb: needs_mib },
      license: 'Apache-2.0',
      embedded: false,
      verified: false,
    }
    this.#models.set(id, CatalogModel.parse(entry))
    const isReplaced = this.#identities.has(id)
    this.#identities.set(id, JSON.stringify(behaviour))
    if (isReplaced) this.hosts.settle()
  }

  /** As when it went from the disk. */
  remove(id: string): void {
    this.#models.delete(id)
    this.#identities.delete(id)
    this.hosts.settle()
  }

  /** Starts a task with this model. */
  run(modelId: string, signal = new AbortController().signal) {
    const heard = new Inbox<Report>()
    const ended = this.#run(modelId, signal, (report) => heard.put(report))
    return {
      ended,
      /** What it reported up to now. */
      said: () => heard.all.map(({ progress }) => progress.message),
      /** Resolves when it reports this. */
      says: (message: string) =>
        heard.take(`report "${message}"`, ({ progress }) => progress.message?.startsWith(message) ?? false),
    }
  }

  /** What the engine did with this model: `load`, `run at 1 with 0 MiB`, `unload`. */
  async events(modelId: string): Promise<string[]> {
    const text = await readFile(join(this.#folder, modelId, 'events'), 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line !== '')
  }

  async #run(modelId: string, signal: AbortSignal, onReport: (report: Report) => void) {
    const outputFolder = join(this.#folder, `out-${Math.random()}`)
    await mkdir(outputFolder)
    const audio = { path: join(outputFolder, 'audio.s16'), sizeBytes: 0 }
    const files = { 'audio.s16': audio, 'speech.jsonl': audio }
    const parameters = PARAMETERS
    const work = {
      engineId: 'swapper',
      modelId,
      stage: 'transcribe',
      files,
      outputFolder,
      parameters,
    } as const
    return this.hosts.run(work, signal, onReport)
  }

  #resolve(modelId: string): Awaited<ReturnType<EngineHostsOptions['models']['resolve']>> {
    const catalog = this.#models.get(modelId)
    const identity = this.#identities.get(modelId) ?? ''
    if (catalog !== undefined)
      return { ok: true, model: { catalog, folder: join(this.#folder, modelId), identity } }
    return { ok: false, error: { code: 'model_missing', message: 'It is not here.', retryable: true } }
  }
}

/** Loads, runs and releases a model of a swapper that keeps none alive. Resolves to what the child takes then, in MiB. */
export async function swapAgain(swapper: Swapper, modelId: string): Promise<number> {
  const answer = await swapper.run(modelId).ended
  if (!answer.ok) throw new Error(answer.error.message)
  const { rss_mib } = await swapper.lines.take('release', (line) => line.event === 'model.unloaded')
  return Number(rss_mib)
}
