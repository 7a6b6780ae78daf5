import { randomBytes } from 'node:crypto'
import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'
import { HostError, systemCode } from './host-error.ts'

/** What a server keeps on disk, all under one folder that only its owner can read. */
export interface DataFolder {
  /** Absolute, links resolved: one folder has one name. */
  readonly path: string
  /** D1, R2 and Durable Objects. */
  readonly statePath: string
  readonly agentPath: string
  /** What the runtime needs while it runs; emptied at each start. */
  readonly temporaryPath: string
  readonly lockPath: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** $DALSTON_DATA, else $XDG_DATA_HOME/dalston, else ~/.local/share/dalston. */
export function defaultDataPath(environment: Environment): string {
  if (environment.DALSTON_DATA) return resolve(environment.DALSTON_DATA)
  return join(environment.XDG_DATA_HOME || join(homedir(), '.local/share'), 'dalston')
}

/** Opens the folder, making it where it is missing. @throws HostError when it cannot be written. */
export function openDataFolder(path: string): DataFolder {
  try {
    makeFolder(path)
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new HostError(
      `The data folder ${path} cannot be written (${systemCode(error)}); choose another with --data DIR.`,
      { cause: error },
    )
  }
  return describeDataFolder(realpathSync(path))
}

/** One level after the other: Node's own recursive mkdir never returns where the system refuses with ENOENT (below /proc). */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(path)
  if (statSync(parent, { throwIfNoEntry: false }) === undefined && parent !== path) makeFolder(parent)
  mkdirSync(path, { mode: 0o700 })
}

export function describeDataFolder(path: string): DataFolder {
  return {
    path,
    statePath: join(path, 'state'),
    agentPath: join(path, 'agent'),
    temporaryPath: join(path, 'temporary'),
    lockPath: join(path, 'server.lock'),
  }
}

/** The first API key, made at first start. */
export function adminKey(folder: DataFolder): string {
  const path = join(folder.path, 'admin.key')
  const key = readOrMake(path, () => newKey('dk', randomBytes(KEY_RANDOM_BYTES)))
  if (keyPrefix(key) !== 'dk') {
    throw new HostError(
      `${path} holds no valid API key (dk_…); restore it, or remove it and a new one is made.`,
    )
  }
  return key
}

/** Signs task tokens and peppers the hashes of keys: without it no key of this folder is known any more. */
export function tokenSecret(folder: DataFolder): string {
  return readOrMake(join(folder.path, 'token.secret'), () => randomBytes(32).toString('hex'))
}

/** The API key of a server on this machine, or null when there is none for us to read. */
export function findAdminKey(dataPath: string): string | null {
  try {
    return readFileSync(join(dataPath, 'admin.key'), 'utf8').trim()
  } catch {
    return null // no server was started here yet, or it is another user's
  }
}

function readOrMake(path: string, make: () => string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') {
      throw new HostError(`${path} cannot be read (${systemCode(error)}).`, { cause: error })
    }
  }
  // Written aside and linked: a crash in between leaves no half secret.
  const draft = `${path}.${process.pid}`
  const secret = make()
  writeFileSync(draft, `${secret}\n`, { mode: 0o600 })
  linkSync(draft, path)
  rmSync(draft)
  return secret
}
