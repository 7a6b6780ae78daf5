import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { modelError } from './model-error.ts'

/** Locks of this process: its pid in a file may also be of an earlier one, as in a container where every agent is pid 1. */
const mine = new Set<string>()

/**
 * One writer of a model among the processes of this machine: the agent that pulls it, and a command that imports it. The
 * lock of a process that is no more is taken over. Throws `EngineError` when a living one has it.
 */
export async function withLock<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  if (!(await tryLock(path))) {
    const holder = await holderOf(path)
    if (holder !== null && isAlive(path, holder)) throw busy(what, holder)
    await removeStale(path, holder)
    if (!(await tryLock(path))) throw busy(what, await holderOf(path))
  }
  try {
    return await work()
  } finally {
    mine.delete(path)
    await rm(path, { force: true })
  }
}

/** A link appears at once and with its whole content, or not at all. */
async function tryLock(path: string): Promise<boolean> {
  if (mine.has(path)) return false
  mine.add(path)
  const draft = `${path}.${process.pid}`
  try {
    await writeFile(draft, String(process.pid), { mode: 0o600 })
    await link(draft, path)
    return true
  } catch (error) {
    mine.delete(path)
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** Null: nobody has it; 0: nobody who can be named. */
async function holderOf(path: string): Promise<number | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  return /^\d{1,10}$/.test(text) ? Number(text) : 0
}

function isAlive(path: string, pid: number): boolean {
  if (pid === 0) return false
  if (pid === process.pid) return mine.has(path)
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives and is somebody else's. ESRCH: it is gone.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** What another process has put there in between goes back. */
async function removeStale(path: string, stale: number | null): Promise<void> {
  const aside = `${path}.${process.pid}.stale`
  try {
    await rename(path, aside)
  } catch {
    return // another process was faster
  }
  if ((await holderOf(aside)) !== stale) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
}

function busy(what: string, pid: number | null) {
  const who = pid === process.pid ? 'already' : `by process ${pid ?? 'unknown'}`
  return modelError('model_busy', `${what} is being installed ${who}; try again when it is done.`, true)
}
