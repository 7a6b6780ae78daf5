import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type KitConsole, kitConsole } from './console.ts'

/** The kit console and the built site on a real port of this machine. */
export interface KitServer {
  readonly url: string
  readonly console: KitConsole
  close(): Promise<void>
}

/** The built site by path. Read once, so that a build at the same time does not pull pages from under a test. */
type Site = ReadonlyMap<string, Buffer<ArrayBuffer>>

const SITE = fileURLToPath(new URL('../../../dist/site', import.meta.url))
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
}

export async function serveKit(): Promise<KitServer> {
  const site = readSite()
  const kit = kitConsole(
    () => Date.now(),
    async (name) => site.get(`/${name}.html`)?.toString() ?? '',
  )
  const server = createServer((incoming, outgoing) => {
    answer(kit, site, incoming, outgoing).catch((error: unknown) => {
      if (!outgoing.headersSent) outgoing.writeHead(500)
      outgoing.end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the kit server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    console: kit,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  kit: KitConsole,
  site: Site,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.on('close', () => gone.abort())
  const response = (await kit.fetch(asRequest(incoming, gone.signal))) ?? asset(site, incoming.url ?? '/')
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body !== null) for await (const chunk of response.body) outgoing.write(chunk)
  outgoing.end()
}

function asRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const url = `http://${incoming.headers.host}${incoming.url}`
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, String(value))
  }
  const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD'
  const body = hasBody ? (Readable.toWeb(incoming) as ReadableStream<Uint8Array>) : null
  return new Request(url, { method: incoming.method ?? 'GET', headers, body, signal, duplex: 'half' })
}

function asset(site: Site, url: string): Response {
  const { pathname } = new URL(url, 'http://localhost')
  const bytes = site.get(pathname)
  if (bytes === undefined) return new Response('not found', { status: 404 })
  return new Response(bytes, { headers: { 'content-type': TYPES[extname(pathname)] ?? 'text/html' } })
}

function readSite(): Site {
  const files = readdirSync(SITE, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  if (files.length === 0) throw new Error(`${SITE} is empty: build first (npm run build)`)
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path.slice(SITE.length), readFileSync(path)]
    }),
  )
}
