import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  adminKey,
  type DataFolder,
  defaultDataPath,
  findAdminKey,
  openDataFolder,
  tokenSecret,
} from '#host/data-folder.ts'
import { findServer, type LockRecord, takeLock } from '#host/lock.ts'
import { endProcess, identify, isRunning, type ProcessIdentity } from '#host/processes.ts'

let folder: DataFolder
let sleepers: ChildProcess[] = []
beforeEach(() => {
  folder = openDataFolder(join(mkdtempSync(join(tmpdir(), 'dalston-lock-test-')), 'data'))
})
afterEach(async () => {
  for (const sleeper of sleepers) {
    sleeper.kill('SIGKILL')
    if (sleeper.exitCode === null && sleeper.signalCode === null) await once(sleeper, 'exit')
  }
  sleepers = []
  rmSync(join(folder.path, '..'), { recursive: true })
})

/** A process that knows nothing of us. */
function sleeper(): ProcessIdentity {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 60000)'], { stdio: 'ignore' })
  sleepers.push(child)
  const identity = identify(child.pid ?? 0)
  if (identity === null) throw new Error('it was just started')
  return identity
}
const GONE: ProcessIdentity = { pid: process.pid, started: 'another time' }

function leave(record: Partial<LockRecord>): void {
  const whole = { server: GONE, data_folder: folder.path, address: null, children: [], ...record }
  writeFileSync(folder.lockPath, JSON.stringify(whole))
}
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

test('[H1] folder, key and secret are private, made once, and kept', () => {
  const [key, secret] = [adminKey(folder), tokenSecret(folder)]
  expect([adminKey(folder), tokenSecret(folder)]).toEqual([key, secret])
  expect(findAdminKey(folder.path)).toBe(key)
  expect(findAdminKey(join(folder.path, 'elsewhere'))).toBeNull()
  expect([folder.path, join(folder.path, 'admin.key'), join(folder.path, 'token.secret')].map(mode)).toEqual([
    '700',
    '600',
    '600',
  ])
  writeFileSync(join(folder.path, 'admin.key'), `${key.slice(0, -1)}\n`)
  expect(() => adminKey(folder)).toThrow('holds no valid API key')
})

test('[H1] the folder is $DALSTON_DATA, else $XDG_DATA_HOME/dalston, else ~/.local/share/dalston', () => {
  expect(defaultDataPath({ DALSTON_DATA: '/d', XDG_DATA_HOME: '/x' })).toBe('/d')
  expect(defaultDataPath({ XDG_DATA_HOME: '/x' })).toBe('/x/dalston')
  expect(defaultDataPath({})).toMatch(/\/\.local\/share\/dalston$/)
})

test('[H2] a live lock is respected, and tells where its server is', async () => {
  const lock = await takeLock(folder)
  lock.record({ address: 'http://127.0.0.1:9' })
  await expect(takeLock(folder)).rejects.toThrow(
    `The data folder ${folder.path} is in use by another Dalston server (process ${process.pid} at http://127.0.0.1:9)`,
  )
  expect(findServer(folder)?.address).toBe('http://127.0.0.1:9')
  lock.release()
  expect(findServer(folder)).toBeNull()
})

test('[H2] of many starts at once on a stale lock exactly one succeeds', async () => {
  leave({})
  const starts = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(folder)))
  expect(starts.filter((start) => start.status === 'fulfilled')).toHaveLength(1)
})

test('[H3] a folder that cannot be written is one sentence', () => {
  writeFileSync(join(folder.path, 'file'), '')
  expect(() => openDataFolder(join(folder.path, 'file/below'))).toThrow(
    /^The data folder .*file\/below cannot be written \(ENOTDIR\); choose another with --data DIR\.$/,
  )
})

test.runIf(process.platform === 'linux')(
  '[H3] also where the system says that the parent is not there',
  () => {
    expect(() => openDataFolder('/proc/nope/data')).toThrow(
      'The data folder /proc/nope/data cannot be written (ENOENT)',
    )
  },
)

test('[H4] a stale lock is taken over, and what its server left running is ended', async () => {
  const orphan = sleeper()
  leave({ children: [orphan] })
  const lock = await takeLock(folder)
  expect(isRunning(orphan)).toBe(false)
  lock.release()
})

test('[H5] a process with the pid but another start time is left alone', async () => {
  const bystander = sleeper()
  leave({ children: [{ pid: bystander.pid, started: 'another time' }] })
  const lock = await takeLock(folder)
  await endProcess({ pid: bystander.pid, started: 'another time' }, 0)
  expect(isRunning(bystander)).toBe(true)
  lock.release()
})

test('[H5] the lock of a copied folder ends nothing', async () => {
  const bystander = sleeper()
  leave({ data_folder: '/elsewhere', children: [bystander] })
  const lock = await takeLock(folder)
  expect(isRunning(bystander)).toBe(true)
  lock.release()
})

test('[H5] a lock that cannot be understood is reported, not guessed at', async () => {
  writeFileSync(folder.lockPath, '{"server":')
  await expect(takeLock(folder)).rejects.toThrow(
    'cannot be understood; remove it if no server runs on this folder',
  )
  expect(readFileSync(folder.lockPath, 'utf8')).toBe('{"server":')
})
