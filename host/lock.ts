import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { DataFolder } from './data-folder.ts'
import { HostError, systemCode } from './host-error.ts'
import { endProcess, identify, isRunning, ProcessIdentity } from './processes.ts'

/** Who serves a data folder, and which processes it started: what the next start may end after a crash. */
const LockRecord = z.strictObject({
  server: ProcessIdentity,
  data_folder: z.string(),
  /** Where it answers; null while it starts. */
  address: z.string().nullable(),
  children: z.array(ProcessIdentity),
})
export type LockRecord = z.infer<typeof LockRecord>

export interface Lock {
  /** Writes what changed. */
  record(change: Partial<Pick<LockRecord, 'address' | 'children'>>): void
  release(): void
}

/** An agent finishes or hands back; workerd only reads and writes what was acknowledged anyway. */
const ORPHAN_GRACE_MS = 2_000

/**
 * Takes the folder for this process. The lock of a server that is no more is taken over, and what that server left running
 * is ended: only processes whose pid and start time the lock names, and only by a lock that names this very folder.
 * @throws HostError when a live server has the folder.
 */
export async function takeLock(folder: DataFolder): Promise<Lock> {
  const server = identify(process.pid)
  if (server === null)
    throw new HostError('This process cannot read its own start time (is /proc mounted, or ps there?).')
  let record: LockRecord = { server, data_folder: folder.path, address: null, children: [] }

  if (!tryLink(folder, record)) {
    const left = readLock(folder)
    if (left !== null) {
      if (isRunning(left.server)) throw inUse(folder, left)
      await endOrphans(folder, left)
      removeStale(folder, left)
    }
    if (!tryLink(folder, record)) throw inUse(folder, readLock(folder))
  }

  return {
    record(change) {
      record = { ...record, ...change }
      writeFileSync(draftPath(folder), JSON.stringify(record), { mode: 0o600 })
      renameSync(draftPath(folder), folder.lockPath)
    },
    release() {
      rmSync(folder.lockPath, { force: true })
    },
  }
}

/** The lock of a server that runs on this folder now, or null. */
export function findServer(folder: DataFolder): LockRecord | null {
  const record = readLock(folder)
  return record !== null && isRunning(record.server) ? record : null
}

/** The lock file's content, or null when there is none. @throws HostError when it cannot be understood. */
function readLock(folder: DataFolder): LockRecord | null {
  let text: string
  try {
    text = readFileSync(folder.lockPath, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null
    throw new HostError(`${folder.lockPath} cannot be read (${systemCode(error)}).`, { cause: error })
  }
  try {
    return LockRecord.parse(JSON.parse(text))
  } catch (error) {
    const advice = 'remove it if no server runs on this folder.'
    throw new HostError(`The lock file ${folder.lockPath} cannot be understood; ${advice}`, { cause: error })
  }
}

async function endOrphans(folder: DataFolder, left: LockRecord): Promise<void> {
  if (left.data_folder !== folder.path) return
  await Promise.all(left.children.map((child) => endProcess(child, ORPHAN_GRACE_MS)))
}

/** A link appears at once and with its whole content, or not at all: two starts cannot both succeed. */
function tryLink(folder: DataFolder, record: LockRecord): boolean {
  writeFileSync(draftPath(folder), JSON.stringify(record), { mode: 0o600 })
  try {
    linkSync(draftPath(folder), folder.lockPath)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draftPath(folder), { force: true })
  }
}

/** Removes the stale lock, and puts back what another start has written there in between. */
function removeStale(folder: DataFolder, stale: LockRecord): void {
  const aside = `${draftPath(folder)}.stale`
  try {
    renameSync(folder.lockPath, aside)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return // another start was faster
    throw error
  }
  const moved = LockRecord.parse(JSON.parse(readFileSync(aside, 'utf8')))
  const same = moved.server.pid === stale.server.pid && moved.server.started === stale.server.started
  if (!same) linkSync(aside, folder.lockPath)
  rmSync(aside)
}

function draftPath(folder: DataFolder): string {
  return `${folder.lockPath}.${process.pid}`
}

function inUse(folder: DataFolder, record: LockRecord | null): HostError {
  const where = record?.address ? ` at ${record.address}` : ''
  const who = record ? ` (process ${record.server.pid}${where})` : ''
  return new HostError(
    `The data folder ${folder.path} is in use by another Dalston server${who}; stop that one, or choose another with --data DIR.`,
  )
}
