import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { convertV4MiniflareOptions } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler'
import { HostBuild } from '#host/host-build.ts'

/** Writes dist/worker/host.json: wrangler.toml and migrations/*.sql in the form in which `dalston serve` reads them. */
const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

const { workerOptions } = unstable_getMiniflareWorkerOptions(path('wrangler.toml'))
const placeholder = { type: 'ESModule', path: path('worker.js'), contents: '' } as const
const { modulesRules: _, ...options } = workerOptions
const converted = convertV4MiniflareOptions({
  ...options,
  name: 'dalston',
  modules: [placeholder],
  modulesRoot: path('.'),
})
const config = converted.workers[0]?.config

const migrations = readdirSync(path('migrations'))
  .filter((name) => name.endsWith('.sql'))
  .sort()
  .map((name) => ({
    name,
    statements: unstable_splitSqlQuery(readFileSync(path(`migrations/${name}`), 'utf8')),
  }))

const build = HostBuild.parse({
  compatibilityDate: config?.compatibilityDate,
  compatibilityFlags: config?.compatibilityFlags ?? [],
  bindings: config?.env ?? {},
  exports: config?.exports ?? {},
  assets: config?.assets ?? null,
  migrations,
})
writeFileSync(path('dist/worker/host.json'), `${JSON.stringify(build, null, 2)}\n`)
