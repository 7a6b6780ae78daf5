import { readdir, rm, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { EngineError } from '#engines/engine.ts'
import type { CatalogModel } from '#protocol/model.ts'
import type { Digests } from './digests.ts'
import { bytesIn, type DiskSpace } from './disk-space.ts'
import { download } from './download.ts'
import { Hub, type HubOptions } from './hub.ts'
import type { InstalledFile, InstalledModel } from './installed-model.ts'
import { diskError, modelError } from './model-error.ts'
import type { ModelFolders } from './model-folders.ts'
import { inParallel } from './parallel.ts'
import { type FinishedFile, partPathOf } from './part-file.ts'
import { type RetryOptions, TRIES_BEFORE_A_MIRROR, TRIES_WITHOUT_PROGRESS } from './retry.ts'
import type { SharedFiles } from './shared-files.ts'
import type { ModelStore, StoredModel } from './store.ts'
import { type SurveyedFile, survey } from './survey.ts'
import { untilAborted } from './until-aborted.ts'
import type { ModelUsage } from './usage.ts'

export interface PullProgress {
  readonly state: 'pulling' | 'verifying'
  readonly bytesDone: number
  readonly bytesTotal: number | null
}

export interface PullTools {
  readonly folders: ModelFolders
  readonly store: ModelStore
  readonly usage: ModelUsage
  readonly digests: Digests
  readonly shared: SharedFiles
  readonly space: DiskSpace
  /** Tried in this order: a hub, and its mirrors. */
  readonly endpoints: readonly string[]
  readonly hub: Omit<HubOptions, 'endpoint' | 'signal'>
  readonly retry: Omit<RetryOptions, 'signal' | 'tries' | 'nowMs'>
  readonly nowMs: () => number
}

export interface PullOrder {
  readonly entry: CatalogModel
  readonly source: Extract<CatalogModel['source'], { kind: 'hub' }>
  readonly signal: AbortSignal
  readonly onProgress: (progress: PullProgress) => void
}

/** From a hub to an installed model. What was fetched before an error or a kill stays for the next pull. Throws `EngineError`. */
export async function pull(order: PullOrder, tools: PullTools): Promise<void> {
  const errors: EngineError[] = []
  for (const endpoint of tools.endpoints) {
    try {
      await pullFrom(endpoint, order, tools)
      return
    } catch (error) {
      order.signal.throwIfAborted()
      const known = diskError(error, tools.folders.root)
      if (!(known instanceof EngineError) || !OF_THE_HUB.test(known.taskError.code)) throw known
      errors.push(known)
    }
  }
  throw worstOf(errors)
}

/** Another hub may do better; a full disk stays full. */
const OF_THE_HUB = /^hub_|^model_(digest|size)_mismatch$/

/** A hub that answered says more than one that cannot be reached; beyond that the first counts, the others are named. */
function worstOf(errors: readonly EngineError[]): EngineError {
  const answered = errors.find(({ taskError }) => taskError.code !== 'hub_unreachable')
  const [worst] = answered === undefined ? errors : [answered]
  if (worst === undefined) throw new Error('expected at least one hub to pull from')
  const others = errors.filter((error) => error !== worst).map((error) => ` ${error.message}`)
  const message = `${worst.message}${others.join('')}`.slice(0, MESSAGE_LIMIT)
  const retryable = errors.some(({ taskError }) => taskError.retryable)
  return new EngineError({ code: worst.taskError.code, message, retryable }, { cause: worst })
}

/** The wire's. */
const MESSAGE_LIMIT = 2000

/** Large files fill a line by themselves; a few small ones wait for answers meanwhile. */
const FILES_AT_ONCE = 3

async function pullFrom(endpoint: string, order: PullOrder, tools: PullTools): Promise<void> {
  const { entry, source } = order
  const stop = new AbortController()
  const signal = AbortSignal.any([order.signal, stop.signal])
  const hub = new Hub({ ...tools.hub, endpoint, signal })
  const tries = endpoint === tools.endpoints.at(-1) ? TRIES_WITHOUT_PROGRESS : TRIES_BEFORE_A_MIRROR
  const retry = { ...tools.retry, nowMs: tools.nowMs, signal, tries }
  const plan = await survey(entry, source, hub, { retry, stop })

  const partial = tools.folders.partial(entry)
  const filesFolder = join(partial, 'files')
  await removeOthers(filesFolder, entry)
  const here = await bytesIn(partial)
  using room = await tools.space.reserve(entry.id, Math.max(plan.knownBytes, here), here)

  const bytesByPath = new Map<string, number>()
  const onBytes = (path: string, bytes: number) => {
    bytesByPath.set(path, bytes)
    const bytesDone = [...bytesByPath.values()].reduce((sum, one) => sum + one, 0)
    room.wrote(bytesDone)
    order.onProgress({ state: 'pulling', bytesDone, bytesTotal: plan.sizeBytes })
  }
  const fetch = async (file: SurveyedFile): Promise<InstalledFile> => {
    const target = join(filesFolder, file.path)
    const fetchIt = () =>
      download({
        hub,
        file: file.remote,
        facts: file.facts,
        partPath: partPathOf(join(partial, 'parts'), file.path),
        target,
        onBytes: (bytes) => onBytes(file.path, bytes),
        grow: (bytes) => room.grow(bytes),
        retry,
      })
    const got = await fetchFile(file, { target, tools, fetch: fetchIt, signal })
    onBytes(file.path, got.sizeBytes)
    return { path: file.path, sha256: got.sha256, size_bytes: got.sizeBytes }
  }
  const files = await inParallel(plan.files, FILES_AT_ONCE, stop, fetch)

  const sizeBytes = files.reduce((sum, file) => sum + file.size_bytes, 0)
  order.onProgress({ state: 'verifying', bytesDone: sizeBytes, bytesTotal: sizeBytes })
  for (const file of files) await prove(join(filesFolder, file.path), file, tools.digests)
  const { folder } = await install(
    filesFolder,
    {
      model_id: entry.id,
      engine: entry.engine,
      revision: plan.revision,
      installed_at_ms: Math.round(tools.nowMs()),
      files,
    },
    order.signal,
    tools,
  )
  for (const { path } of files) await tools.digests.noteLink(join(filesFolder, path), join(folder, path))
  await rm(partial, { recursive: true, force: true })
}

async function fetchFile(
  file: SurveyedFile,
  {
    target,
    tools,
    fetch,
    signal,
  }: {
    readonly target: string
    readonly tools: PullTools
    readonly fetch: () => Promise<FinishedFile>
    readonly signal: AbortSignal
  },
): Promise<FinishedFile> {
  const { sha256, sizeBytes } = file.facts
  if (sha256 === null) {
    const file = await fetch()
    await tools.digests.note(target, file.sha256)
    return file
  }
  const fetched: FinishedFile[] = []
  await tools.shared.obtain(sha256, target, async () => fetched.push(await fetch()), signal)
  return fetched[0] ?? { sha256, sizeBytes: sizeBytes ?? (await stat(target)).size }
}

/** The other files may have taken hours: what changed since it came is read anew, and removed when it is another one. */
async function prove(path: string, file: InstalledFile, digests: Digests): Promise<void> {
  const fault = await digests.fault({ path, sizeBytes: file.size_bytes, sha256: file.sha256 })
  if (fault === null) return
  await rm(path, { force: true })
  const message = `${file.path} changed on the disk after it came: ${fault.message}. It is deleted; pull again.`
  throw modelError('model_digest_mismatch', message, true)
}

/** A task that has resolved the model reads its files: they are not replaced under it. */
async function install(
  filesFolder: string,
  installed: InstalledModel,
  signal: AbortSignal,
  { store, usage }: PullTools,
): Promise<StoredModel> {
  for (;;) {
    await untilAborted(usage.unused(installed.model_id), signal)
    const stored = await store.install(filesFolder, installed, () => !usage.isInUse(installed.model_id))
    if (stored !== null) return stored
  }
}

/** Files of an earlier version of the entry do not become part of this one. */
async function removeOthers(folder: string, entry: CatalogModel): Promise<void> {
  const paths = new Set(entry.files.map(({ path }) => path))
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const file of found) {
    const path = join(file.parentPath, file.name)
    const inModel = relative(folder, path).split(sep).join('/')
    if (!file.isDirectory() && !paths.has(inModel)) await rm(path, { force: true })
  }
}
