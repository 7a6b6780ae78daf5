import { Dalston } from '#client/dalston.ts'
import { defaultDataPath, describeDataFolder, findAdminKey } from '#host/data-folder.ts'
import { findServer } from '#host/lock.ts'
import type { Io } from './io.ts'

export const DEFAULT_SERVER = 'http://127.0.0.1:8787'

export interface Target {
  readonly server: string
  readonly apiKey: string | undefined
  /** Someone named this server: then no other takes its place. */
  readonly isConfigured: boolean
}

/**
 * Which server, under which key: --server, else DALSTON_SERVER, else the one that runs on the local data folder, else the
 * default address. The key is DALSTON_API_KEY; for a server on this machine, the local folder's own.
 */
export function findTarget(server: string | undefined, environment: Io['environment']): Target {
  const named = server ?? environment.DALSTON_SERVER
  const dataPath = defaultDataPath(environment)
  const address = named ?? findServer(describeDataFolder(dataPath))?.address ?? DEFAULT_SERVER
  const local = isLoopback(address) ? (findAdminKey(dataPath) ?? undefined) : undefined
  return { server: address, apiKey: environment.DALSTON_API_KEY || local, isConfigured: Boolean(named) }
}

export function connect(server: string | undefined, environment: Io['environment']): Dalston {
  return new Dalston(findTarget(server, environment))
}

/** The admin key of this machine goes to this machine only. */
function isLoopback(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { hostname } = new URL(address)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
