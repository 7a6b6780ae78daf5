import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isLiving, markOf, type ProcessMark } from '../living-process.ts'
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
    if (holder !== null && holds(path, holder)) throw busy(what, holder)
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
    const started = markOf(process.pid)?.started ?? null
    await writeFile(draft, started === null ? `${process.pid}` : `${process.pid} ${started}`, { mode: 0o600 })
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

/** Null: nobody has it, or nobody who can be named. */
async function holderOf(path: string): Promise<ProcessMark | null> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const [, pid, started = null] = /^([1-9]\d{0,9})(?: (\S+))?$/.exec(text) ?? []
  return pid === undefined ? null : { pid: Number(pid), started }
}

function holds(path: string, holder: ProcessMark): boolean {
  return holder.pid === process.pid ? mine.has(path) : isLiving(holder)
}

/** What another process has put there in between goes back. */
async function removeStale(path: string, stale: ProcessMark | null): Promise<void> {
  const aside = `${path}.${process.pid}.stale`
  try {
    await rename(path, aside)
  } catch {
    return // another process was faster
  }
  if (!isDeepStrictEqual(await holderOf(aside), stale)) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
}

function busy(what: string, holder: ProcessMark | null) {
  const who = holder?.pid === process.pid ? 'already' : `by process ${holder?.pid ?? 'unknown'}`
  return modelError('model_busy', `${what} is being installed ${who}; try again when it is done.`, true)
}
