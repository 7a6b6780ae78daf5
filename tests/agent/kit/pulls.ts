import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import type { z } from 'zod'
import { Models, type ModelsOptions } from '#agent/models/models.ts'
import type { PullProgress } from '#agent/models/pull.ts'
import type { QueueProgress } from '#agent/models/pulls.ts'
import { EngineError } from '#engines/engine.ts'
import { CatalogModel } from '#protocol/model.ts'
import { FakeHub, sha256 } from '#tests/kit/fake-hub.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { aFolder } from './agents.ts'

export type Entry = z.input<typeof CatalogModel>
export const REPOSITORY = 'acme/tiny'

export async function aHub(): Promise<FakeHub> {
  const hub = await FakeHub.start()
  onTestFinished(() => hub.stop())
  return hub
}

/** Bytes that do not repeat, the same for the same seed. */
export function weights(sizeBytes: number, seed = 1): Buffer {
  const random = seeded(seed)
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, () => random() * 256))
}

/** An entry of the scripted transcriber whose files lie in the hub. */
export function anEntry(files: Readonly<Record<string, Buffer | null>>, change: Partial<Entry> = {}): Entry {
  return {
    id: 'tiny-en',
    name: 'Tiny',
    description: 'For tests.',
    engine: 'scripted-ctc',
    runtime_model_id: 'tiny',
    stage: 'transcribe',
    source: { kind: 'hub', repository: REPOSITORY, revision: null },
    files: Object.entries(files).map(([path, content]) => ({
      path,
      sha256: content === null ? null : sha256(content),
      size_bytes: content === null ? null : content.length,
    })),
    languages: ['en'],
    capabilities: { word_timestamps: true, punctuation: false, capitalization: false, streaming: false },
    hardware: { gpu_required: false, min_ram_mb: 64 },
    license: 'Apache-2.0',
    embedded: false,
    verified: true,
    ...change,
  }
}

export interface Box {
  readonly models: Models
  readonly dataFolder: string
  readonly events: { readonly event: string; readonly [field: string]: unknown }[]
  readonly waitsMs: number[]
  pull(id?: string, listener?: (progress: QueueProgress<PullProgress>) => void): Promise<void>
  /** The code and the sentence that a pull fails with. */
  fails(
    id?: string,
    listener?: (progress: QueueProgress<PullProgress>) => void,
  ): Promise<{ readonly code: string; readonly message: string; readonly retryable: boolean }>
  announced(): string[]
}

export interface BoxOptions extends Partial<ModelsOptions> {
  readonly entries?: readonly Entry[]
}

/** The models of an agent, with entries in the owner's catalog. Nothing waits: each wait is written down. */
export async function aBox(hub: FakeHub | readonly string[], options: BoxOptions = {}): Promise<Box> {
  const dataFolder = options.dataFolder ?? (await aFolder())
  const catalog = join(dataFolder, 'models', 'catalog')
  await mkdir(catalog, { recursive: true })
  for (const entry of options.entries ?? [])
    await writeFile(join(catalog, `${entry.id}.yaml`), stringify(entry))
  const events: Box['events'] = []
  const waitsMs: number[] = []
  const { entries: _, ...change } = options
  const models = await Models.open({
    rootFolder: dataFolder,
    modelsLimitBytes: null,
    hub: { endpoints: hub instanceof FakeHub ? [hub.url] : hub, token: null, tokenFile: null },
    nowMs: Date.now,
    random: () => 0.5,
    log: (event, fields) => events.push({ event, ...fields }),
    diskFreeBytes: () => Promise.resolve(1024 ** 4),
    ...change,
    dataFolder,
    retry: { sleep: async (ms) => void waitsMs.push(ms), ...change.retry },
  })
  onTestFinished(() => models.stop())
  const pull: Box['pull'] = async (id = 'tiny-en', listener = () => {}) =>
    models.pull(await models.entryOf(id), listener)
  return {
    models,
    dataFolder,
    events,
    waitsMs,
    pull,
    fails: (id, listener) => errorOf(pull(id, listener)),
    announced: () => models.announced('scripted-ctc', new Set()).map((model) => model.id),
  }
}

export async function errorOf(work: Promise<unknown>): Promise<EngineError['taskError']> {
  try {
    await work
  } catch (error) {
    if (error instanceof EngineError) return error.taskError
    throw error
  }
  throw new Error('expected an error, it succeeded')
}

/** All files below the models folder, by path; the bookkeeping aside. */
export async function modelFiles(dataFolder: string): Promise<string[]> {
  const found = await readdir(join(dataFolder, 'models'), { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(dataFolder, 'models').length + 1))
    .filter((path) => !path.startsWith('catalog/') && !/^(pins|last-used)\.json$/.test(path))
    .sort()
}

export const parse = (entry: Entry) => CatalogModel.parse(entry)
