import { accessSync, constants, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare'
import type { DataFolder } from './data-folder.ts'
import type { WorkerBuild } from './host-build.ts'
import { HostError, systemCode } from './host-error.ts'
import { applyMigrations } from './migrations.ts'
import { childrenNamed, type ProcessIdentity } from './processes.ts'

export interface WorkerServerOptions {
  readonly build: WorkerBuild
  readonly folder: DataFolder
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** Text bindings: the settings and the secrets. */
  readonly variables: Readonly<Record<string, string>>
  /** The site's folder; the one named in the build where it is not given. */
  readonly sitePath?: string | undefined
  readonly log: (line: string) => void
  /** The runtime's processes, whenever they change: what a crash of this process would leave behind. */
  readonly onProcesses: (processes: readonly ProcessIdentity[]) => void
}

export interface WorkerServer {
  readonly port: number
  stop(): Promise<void>
}

/** Part of the paths under the state folder: with another name all objects would be new ones. */
const WORKER_NAME = 'dalston'
const PROCESS_NAME = 'workerd'
/**
 * What passes through as chunks is young garbage that holds memory outside the heap: a small nursery lets go of it soon.
 * A gigabyte uploaded then grows the runtime by 90 MiB in place of 140 (`npm run bench -- upload`).
 */
const RUNTIME_FLAGS = '--max-semi-space-size=1'
/** While the runtime starts, its process is looked for this often. */
const WATCH_MS = 25

/** Starts the built Worker on Miniflare, migrated and listening. @throws HostError when the port is taken. */
export async function startWorkerServer(options: WorkerServerOptions): Promise<WorkerServer> {
  await expectFreePort(options.host, options.port)
  shieldRuntimeFromInterrupt()
  process.env.MINIFLARE_WORKERD_V8_FLAGS ??= RUNTIME_FLAGS
  const report = () => options.onProcesses(childrenNamed(PROCESS_NAME))
  const miniflare = withoutSignalHandlers(() =>
    withTemporaryFolder(options.folder, () => new Miniflare(miniflareOptions(options, report))),
  )
  const watch = setInterval(report, WATCH_MS)
  try {
    const url = await miniflare.ready
    report()
    const database = await miniflare.getD1Database('DB')
    for (const name of await applyMigrations(database, options.build.migrations))
      options.log(`applied migration ${name}`)
    return { port: Number(url.port), stop: () => miniflare.dispose() }
  } catch (error) {
    // The first error is the one to tell; a runtime that did not start cannot be ended in order either.
    await miniflare.dispose().catch(() => undefined)
    throw error
  } finally {
    clearInterval(watch)
  }
}

function miniflareOptions(options: WorkerServerOptions, onRestart: () => void): MiniflareOptions {
  const { build, folder, log } = options
  const variables = Object.entries(options.variables).map(
    ([name, value]) => [name, { type: 'text', value }] as const,
  )
  const assets = build.assets === null ? {} : { assets: withDirectory(build.assets, options.sitePath) }
  const config = {
    name: WORKER_NAME,
    compatibilityDate: build.compatibilityDate,
    compatibilityFlags: build.compatibilityFlags,
    manifest: { mainModule: build.mainModule, modulesRoot: folder.path, modules: build.modules },
    env: { ...build.bindings, ...Object.fromEntries(variables) },
    exports: build.exports,
    ...assets,
  }
  return {
    host: options.host,
    port: options.port,
    cf: false,
    enableDevRegistry: false,
    resourcePersistencePath: folder.statePath,
    log: new LineLog(log),
    logRequests: false,
    handleStructuredLogs: ({ level, message }) => log(`worker ${level}: ${message}`),
    unsafeHandleRuntimeRestart: onRestart,
    // host.json was made from wrangler.toml by Miniflare's own converter, so its bindings and exports have this type.
    workers: [{ config: config as MiniflareOptions['workers'][number]['config'] }],
  }
}

function withDirectory(assets: Readonly<Record<string, unknown>>, sitePath: string | undefined) {
  return sitePath === undefined ? assets : { ...assets, directory: sitePath }
}

/** Miniflare ends the process at the first SIGINT or SIGTERM; the host has an agent to drain before. */
function withoutSignalHandlers<T>(construct: () => T): T {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
  const constructed = construct()
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)?.includes(listener)) process.removeListener(signal, listener)
    }
  }
  return constructed
}

/** Miniflare asks for the system's temporary folder once, as it is made; what a crash leaves there nobody would remove. */
function withTemporaryFolder<T>({ temporaryPath }: DataFolder, construct: () => T): T {
  rmSync(temporaryPath, { recursive: true, force: true })
  mkdirSync(temporaryPath, { mode: 0o700 })
  const before = process.env.TMPDIR
  process.env.TMPDIR = temporaryPath
  try {
    return construct()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}

/** Miniflare starts what MINIFLARE_WORKERD_PATH names; ours ignores the terminal's Ctrl-C (see workerd.sh). */
function shieldRuntimeFromInterrupt(): void {
  const shield = fileURLToPath(new URL('workerd.sh', import.meta.url))
  try {
    accessSync(shield, constants.X_OK)
  } catch {
    return // a copy without file modes: Ctrl-C then ends the runtime a moment before the agent
  }
  const fromMiniflare = createRequire(createRequire(import.meta.url).resolve('miniflare'))
  const { default: binary }: { default: string } = fromMiniflare('workerd')
  process.env.DALSTON_WORKERD = binary
  process.env.MINIFLARE_WORKERD_PATH = shield
}

async function expectFreePort(host: string, port: number): Promise<void> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject).listen({ host, port, exclusive: true }, resolve)
    })
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EADDRINUSE') {
      throw new HostError(`Port ${port} on ${host} is in use; choose another with --port.`, { cause: error })
    }
    throw new HostError(`Cannot listen on ${host} port ${port} (${code}).`, { cause: error })
  }
  await new Promise((resolve) => probe.close(resolve))
}

/** Miniflare's own messages; only warnings and errors are for the person at the server. */
class LineLog extends Log {
  readonly #write: (line: string) => void

  constructor(write: (line: string) => void) {
    super(LogLevel.WARN)
    this.#write = write
  }

  override log(message: string): void {
    this.#write(message)
  }
}
