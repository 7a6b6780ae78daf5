import { z } from 'zod'
import type { Job } from '#objects/job.ts'
import type { Registry } from '#objects/registry.ts'
import { parseSettings, SETTINGS, type Settings, type SettingVariable } from '#protocol/settings.ts'

/**
 * What wrangler.toml binds. Secrets: ADMIN_KEY is the first API key, TOKEN_SECRET signs tokens and peppers hashes.
 * Variables: the operator's settings, each of which may be missing.
 */
export interface Bindings extends Readonly<Partial<Record<SettingVariable, string>>> {
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

/** The bindings, after one check of secrets and settings in this isolate. Throws with the sentence that helps. */
export function parseBindings(bindings: Bindings): Bindings {
  if (!checked) {
    const result = Secrets.safeParse(bindings)
    if (!result.success) throw new Error(result.error.issues.map((issue) => issue.message).join('; '))
    settingsOf(bindings)
    checked = true
  }
  return bindings
}

const settings = new WeakMap<Bindings, Settings>()

/** The operator's settings, parsed once. Throws with a sentence for each variable that is not right. */
export function settingsOf(env: Bindings): Settings {
  const known = settings.get(env)
  if (known !== undefined) return known
  const read = parseSettings(variablesOf(env))
  if (!read.ok) throw new Error(`The settings are not right. ${read.problems.join(' ')}`)
  settings.set(env, read.settings)
  return read.settings
}

/** A number that stands in wrangler.toml without quotes comes as a number. */
function variablesOf(env: Bindings): Record<string, string> {
  const variables = SETTINGS.map(({ variable }) => [variable, env[variable]] as const)
  return Object.fromEntries(variables.map(([variable, value]) => [variable, String(value ?? '')]))
}
