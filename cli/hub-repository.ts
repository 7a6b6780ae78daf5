import { z } from 'zod'
import { CommandError, EXIT } from './exit-codes.ts'

/** A hub's answer about a repository, as far as it matters here. Foreign, so lenient. */
const Repository = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  gated: z.union([z.boolean(), z.string()]).optional(),
  cardData: z
    .object({
      license: z.unknown().optional(),
      language: z.union([z.string(), z.array(z.string())]).nullish(),
    })
    .nullish(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().nullish(),
      lfs: z.object({ sha256: z.string(), size: z.number() }).nullish(),
    }),
  ),
})
export type Repository = z.infer<typeof Repository>

const Config = z.object({ model_type: z.string().optional() })
const GenerationConfig = z.object({ alignment_heads: z.array(z.unknown()).nullish() })

export interface ReadRepository {
  readonly repository: Repository
  readonly modelType: string | null
  /** Whether its generation_config.json names any; null: there is no such file. */
  readonly alignmentHeads: boolean | null
}

/** A list of files is a small answer: who takes longer than this is not there. */
const ANSWER_WITHIN_MS = 30_000

export interface HubAccess {
  /** `https://huggingface.co` */
  readonly endpoint: string
  readonly token: string | undefined
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
}

/** What lies in a repository at a revision. @throws CommandError in words for whatever the hub answers otherwise. */
export async function readRepository(
  hub: HubAccess,
  repository: string,
  revision: string | null,
): Promise<ReadRepository> {
  const at = revision === null ? '' : `/revision/${encodeURIComponent(revision)}`
  const found = await readJson(hub, `/api/models/${repository}${at}?blobs=true`, repository, Repository)
  const read = async <T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | null> => {
    if (!found.siblings.some(({ rfilename }) => rfilename === path)) return null
    return readJson(hub, `/${repository}/resolve/${found.sha}/${path}`, repository, schema)
  }
  const config = await read('config.json', Config)
  const generation = await read('generation_config.json', GenerationConfig)
  const alignmentHeads = generation === null ? null : (generation.alignment_heads ?? []).length > 0
  return { repository: found, modelType: config?.model_type ?? null, alignmentHeads }
}

/** A network lists its outputs at its end, behind its weights. */
const END_BYTES = 1024 ** 2

/** Whether the end of a file has this in it; null: it could not be read, or is not all that would have to be. */
export async function endNames(
  hub: HubAccess,
  {
    name,
    repository,
    path,
  }: { readonly name: string; readonly repository: Repository; readonly path: string },
  what: string,
): Promise<boolean | null> {
  const file = repository.siblings.find(({ rfilename }) => rfilename === path)
  const sizeBytes = file?.lfs?.size ?? file?.size ?? null
  if (sizeBytes === null) return null
  const from = Math.max(0, sizeBytes - END_BYTES)
  const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-` }
  if (hub.token) headers.authorization = `Bearer ${hub.token}`
  const url = `${hub.endpoint}/${name}/resolve/${repository.sha}/${path}`
  const stop = AbortSignal.timeout(ANSWER_WITHIN_MS)
  try {
    const answer = await hub.fetch(url, { headers, signal: stop })
    if (answer.status !== (from === 0 ? 200 : 206)) {
      await answer.body?.cancel()
      return null
    }
    const isThere = Buffer.from(await answer.arrayBuffer()).includes(what)
    return isThere || from === 0 ? isThere : null
  } catch {
    return null // the hub is gone, or too slow: the entry says that it could not be told
  }
}

async function readJson<T extends z.ZodType>(
  hub: HubAccess,
  path: string,
  repository: string,
  schema: T,
): Promise<z.infer<T>> {
  const url = `${hub.endpoint}${path}`
  const headers: Record<string, string> = { accept: 'application/json' }
  if (hub.token) headers.authorization = `Bearer ${hub.token}`
  let answer: Response
  try {
    answer = await hub.fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
  } catch (cause) {
    throw new CommandError(`${hub.endpoint} cannot be reached`, EXIT.unavailable, { cause })
  }
  if (!answer.ok) throw refusalOf(answer, hub, repository)
  const parsed = schema.safeParse(await answer.json().catch(() => undefined))
  if (parsed.success) return parsed.data
  const type = answer.headers.get('content-type') ?? 'no type'
  throw new CommandError(
    `${url}: expected a hub's JSON, got ${type}; is ${hub.endpoint} the address of a hub?`,
    EXIT.failure,
  )
}

function refusalOf({ status, headers }: Response, hub: HubAccess, repository: string): CommandError {
  const page = `${hub.endpoint}/${repository}`
  switch (status) {
    case 401:
    case 403: {
      const token = hub.token
        ? 'the token in HF_TOKEN may not read it'
        : 'set HF_TOKEN to a token that may read it'
      return new CommandError(
        `${repository}: the hub says ${status}: ${token}; its licence may have to be accepted first at ${page} (a hub also says so of a name that does not exist)`,
        EXIT.unauthorized,
      )
    }
    case 404:
      return new CommandError(
        `${repository}: the hub has no such repository or revision (${page})`,
        EXIT.failure,
      )
    case 429: {
      const after = headers.get('retry-after')
      const when = after === null ? 'later' : `after ${after} s`
      return new CommandError(
        `${repository}: the hub is asked too often (429); try again ${when}`,
        EXIT.unavailable,
      )
    }
    default:
      return new CommandError(`${repository}: the hub answered ${status} (${page})`, EXIT.failure)
  }
}
