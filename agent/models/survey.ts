import type { CatalogModel, ModelFile } from '#protocol/model.ts'
import type { Hub } from './hub.ts'
import type { HubFile } from './hub-error.ts'
import type { FileFacts } from './hub-headers.ts'
import { modelError } from './model-error.ts'
import { inParallel } from './parallel.ts'
import { type RetryOptions, retry } from './retry.ts'

export interface SurveyedFile {
  readonly path: string
  readonly remote: HubFile
  /** The catalog's word before the hub's. */
  readonly facts: FileFacts
}

export interface Survey {
  /** The commit that is fetched; the branch's name where the hub does not say. */
  readonly revision: string
  readonly files: readonly SurveyedFile[]
  /** Null: the hub does not know all sizes. */
  readonly sizeBytes: number | null
  /** Of the files whose sizes are known. */
  readonly knownBytes: number
}

/** Where nobody checked a revision, the newest is taken: all files of the commit that the first one is of. */
const NEWEST = 'main'
/** Small requests; more at once is what hubs limit. */
const REQUESTS_AT_ONCE = 4

/**
 * Asks about every file before any is fetched: what is gated, missing, or other than the catalog says is known after a second,
 * and not after gigabytes. Throws `EngineError`.
 */
export async function survey(
  entry: CatalogModel,
  source: Extract<CatalogModel['source'], { kind: 'hub' }>,
  hub: Hub,
  options: { readonly retry: RetryOptions; readonly stop: AbortController },
): Promise<Survey> {
  const ask = async (file: ModelFile, revision: string): Promise<SurveyedFile> => {
    const remote = { repository: source.repository, revision, path: file.source_path ?? file.path }
    const facts = await retry(() => hub.facts(remote), options.retry)
    return { path: file.path, remote, facts: agreed(file, facts, remote, hub.endpoint) }
  }
  const first = entry.files.slice(0, 1)
  const asked = await inParallel(first, 1, options.stop, (file) => ask(file, source.revision ?? NEWEST))
  const revision = source.revision ?? asked[0]?.facts.commit ?? NEWEST
  const rest = entry.files.slice(1)
  const others = await inParallel(rest, REQUESTS_AT_ONCE, options.stop, (file) => ask(file, revision))
  const files = [...asked, ...others].map((file) => ({ ...file, remote: { ...file.remote, revision } }))
  const sizes = files.map(({ facts }) => facts.sizeBytes)
  const knownBytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  return { revision, files, sizeBytes: sizes.includes(null) ? null : knownBytes, knownBytes }
}

function agreed(file: ModelFile, facts: FileFacts, remote: HubFile, endpoint: string): FileFacts {
  const what = `${remote.path} of ${remote.repository} at ${endpoint}`
  if (file.size_bytes !== null && facts.sizeBytes !== null && file.size_bytes !== facts.sizeBytes) {
    const message = `${what}: expected ${file.size_bytes} bytes, it has ${facts.sizeBytes}.`
    throw modelError('model_size_mismatch', message, false)
  }
  if (file.sha256 !== null && facts.sha256 !== null && file.sha256 !== facts.sha256) {
    const message = `${what}: expected sha256 ${file.sha256}, the hub has ${facts.sha256}.`
    throw modelError('model_digest_mismatch', message, false)
  }
  return {
    ...facts,
    sizeBytes: file.size_bytes ?? facts.sizeBytes,
    sha256: file.sha256 ?? facts.sha256,
  }
}
