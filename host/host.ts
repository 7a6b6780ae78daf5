import { writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CreatedJoinToken, SignInLink } from '#protocol/api.ts'
import { adminKey, type Environment, openDataFolder, tokenSecret } from './data-folder.ts'
import { readWorkerBuild } from './host-build.ts'
import { HostError } from './host-error.ts'
import { startLocalAgent } from './local-agent.ts'
import { takeLock } from './lock.ts'
import type { ProcessIdentity } from './processes.ts'
import { readHostSettings, settingVariables } from './settings.ts'

export interface HostOptions {
  readonly dataPath: string
  readonly host: string
  readonly port: number
  /** False: no local agent. */
  readonly agent: boolean
  /** What overrules settings.yaml; this process's own where not given. */
  readonly environment?: Environment | undefined
  /** File descriptor for the log of server and agent. */
  readonly logFd?: number | undefined
  /** The built Worker, the site and the agent; the project's own where not given. */
  readonly workerPath?: string | undefined
  readonly sitePath?: string | undefined
  readonly agentPath?: string | undefined
}

export interface Host {
  readonly address: string
  readonly apiKey: string
  readonly dataPath: string
  /** The local agent is welcomed; at once where there is none. Rejects when it cannot start. */
  readonly agentReady: Promise<void>
  signInLink(): Promise<string>
  /** Drains the agent, ends the runtime, gives the data folder free. */
  stop(): Promise<void>
}

/**
 * Self-hosting: the control plane and, unless told not to, one local agent, on one data folder.
 * @throws HostError in one sentence when folder or port are not to be had, SettingsError with one for each setting that
 * cannot be used; then nothing is left running.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const log = (line: string) => void writeSync(options.logFd ?? 2, `${line}\n`)
  const { settings } = readHostSettings(options.dataPath, options.environment ?? process.env)
  const build = readWorkerBuild(options.workerPath ?? projectPath('dist/worker'))
  const folder = openDataFolder(options.dataPath)
  const secrets = { ADMIN_KEY: adminKey(folder), TOKEN_SECRET: tokenSecret(folder) }
  const lock = await takeLock(folder)

  const running: { runtime: readonly ProcessIdentity[]; agent: ProcessIdentity | null } = {
    runtime: [],
    agent: null,
  }
  let recorded = ''
  const record = (change: Partial<typeof running>) => {
    Object.assign(running, change)
    const children = [...running.runtime, ...(running.agent === null ? [] : [running.agent])]
    if (JSON.stringify(children) === recorded) return
    recorded = JSON.stringify(children)
    lock.record({ children })
  }

  const stops: (() => Promise<void> | void)[] = [lock.release]
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    // Loading Miniflare takes half a second: a refusal comes before it.
    const { startWorkerServer } = await import('./worker-server.ts')
    const server = await startWorkerServer({
      ...options,
      build,
      folder,
      variables: { ...settingVariables(settings), ...secrets },
      sitePath: options.sitePath ?? projectPath('dist/site'),
      log,
      onProcesses: (runtime) => record({ runtime }),
    })
    stops.push(server.stop)
    const address = `http://${reachableHost(options.host)}:${server.port}`
    await expectHealthy(address)
    lock.record({ address })

    const post = (path: string) => postJson(`${address}${path}`, secrets.ADMIN_KEY)
    let agentReady = Promise.resolve()
    if (options.agent) {
      const agent = startLocalAgent({
        mainPath: options.agentPath ?? projectPath('agent/main.ts'),
        server: address,
        folder,
        joinToken: async () => CreatedJoinToken.parse(await post('/v1/agents/tokens')).token,
        logFd: options.logFd ?? 2,
        log,
        onProcess: (process) => record({ agent: process }),
      })
      stops.push(agent.stop)
      agentReady = agent.ready
    }
    return {
      address,
      apiKey: secrets.ADMIN_KEY,
      dataPath: folder.path,
      agentReady,
      signInLink: async () => SignInLink.parse(await post('/v1/console/links')).url,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function projectPath(relative: string): string {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url))
}

/** An address of every interface is reached from here by loopback. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '*') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

/** The first request wakes the registry and the database; more than this is a hang. */
const HEALTH_MS = 30_000

async function expectHealthy(address: string): Promise<void> {
  const response = await fetch(`${address}/health`, { signal: AbortSignal.timeout(HEALTH_MS) })
  const text = await response.text()
  if (!response.ok) throw new HostError(`The server started but is not healthy: ${text.slice(0, 300)}`)
}

async function postJson(url: string, key: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: '{}' })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${url} was answered ${response.status}: ${text.slice(0, 300)}`)
  return JSON.parse(text)
}
