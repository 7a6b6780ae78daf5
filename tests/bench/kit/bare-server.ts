import { readFileSync } from 'node:fs'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { TempFolder } from '#tests/kit/temp-folder.ts'

/** A bare path on the same runtime as the real one: a script, its objects and a folder of its own. */
export interface BareServer {
  readonly url: string
  stop(): Promise<void>
}

export async function startBareServer(
  script: 'bare-fan-out.js' | 'bare-submit.js',
  objects: Readonly<Record<string, string>>,
  table: string | null = null,
): Promise<BareServer> {
  const folder = new TempFolder()
  const options = convertV4MiniflareOptions({
    modules: true,
    script: readFileSync(new URL(script, import.meta.url), 'utf8'),
    compatibilityDate: '2026-10-12',
    durableObjects: Object.fromEntries(
      Object.entries(objects).map(([binding, className]) => [binding, { className, useSQLite: true }]),
    ),
    d1Databases: table === null ? [] : ['DB'],
    cf: false,
  })
  const miniflare = new Miniflare({ ...options, resourcePersistencePath: folder.join('state') })
  const url = await miniflare.ready
  if (table !== null) await (await miniflare.getD1Database('DB')).exec(table)
  return {
    url: url.origin,
    stop: async () => {
      await miniflare.dispose()
      folder[Symbol.dispose]()
    },
  }
}
