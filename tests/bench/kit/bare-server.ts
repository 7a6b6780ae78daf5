import { readFileSync } from 'node:fs'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'

/** The bare path on the same runtime as the real one. */
export async function startBareServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const script = readFileSync(new URL('bare-fan-out.js', import.meta.url), 'utf8')
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate: '2026-10-12',
      durableObjects: {
        HUB: { className: 'Hub', useSQLite: true },
        SOCKET: { className: 'Socket', useSQLite: true },
      },
      cf: false,
    }),
  )
  const url = await miniflare.ready
  return { url: url.origin, stop: () => miniflare.dispose() }
}
