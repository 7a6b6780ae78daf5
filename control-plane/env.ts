import { z } from 'zod'
import type { Job } from '#objects/job.ts'
import type { Registry } from '#objects/registry.ts'

/** What wrangler.toml binds. Secrets: ADMIN_KEY is the first API key, TOKEN_SECRET signs tokens and peppers hashes. */
export interface Bindings {
  readonly DB: D1Database
  readonly BUCKET: R2Bucket
  readonly JOB: DurableObjectNamespace<Job>
  readonly REGISTRY: DurableObjectNamespace<Registry>
  readonly ASSETS: Fetcher
  readonly ADMIN_KEY: string
  readonly TOKEN_SECRET: string
}

const Secrets = z.object({
  ADMIN_KEY: z.string().min(1, 'ADMIN_KEY is not set: run `wrangler secret put ADMIN_KEY`'),
  TOKEN_SECRET: z
    .string()
    .min(32, 'TOKEN_SECRET must have 32 characters or more: run `wrangler secret put TOKEN_SECRET`'),
})

let checked = false

/** The bindings, after one check of the secrets in this isolate. Throws with the sentence that helps. */
export function parseBindings(bindings: Bindings): Bindings {
  if (!checked) {
    const result = Secrets.safeParse(bindings)
    if (!result.success) throw new Error(result.error.issues.map((issue) => issue.message).join('; '))
    checked = true
  }
  return bindings
}
