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
): Promise<{ readonly repository: Repository; readonly modelType: string | null }> {
  const at = revision === null ? '' : `/revision/${revision}`
  const found = await readJson(hub, `/api/models/${repository}${at}?blobs=true`, repository, Repository)
  if (!found.siblings.some(({ rfilename }) => rfilename === 'config.json'))
    return { repository: found, modelType: null }
  const config = await readJson(hub, `/${repository}/resolve/${found.sha}/config.json`, repository, Config)
  return { repository: found, modelType: config.model_type ?? null }
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
    answer = await hub.fetch(url, { headers })
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
