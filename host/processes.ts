import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'

/** A process beyond doubt: a pid is used again, a pid with its start time is not. */
export const ProcessIdentity = z.strictObject({ pid: z.int().positive(), started: z.string().min(1) })
export type ProcessIdentity = z.infer<typeof ProcessIdentity>

interface ProcessRow {
  readonly pid: number
  readonly parentPid: number
  readonly name: string
  readonly started: string
}

/** The identity of a running process, or null when there is none (a zombie is none). */
export function identify(pid: number): ProcessIdentity | null {
  const row = process.platform === 'linux' ? readProc(pid) : listProcesses().find((each) => each.pid === pid)
  return row ? { pid, started: row.started } : null
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started
}

/** The children of this process whose name begins so. */
export function childrenNamed(prefix: string): ProcessIdentity[] {
  return listProcesses()
    .filter((row) => row.parentPid === process.pid && row.name.startsWith(prefix))
    .map(({ pid, started }) => ({ pid, started }))
}

/** Ends exactly this process: asks, waits `graceMs`, then kills. Looks at the identity before each signal. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  const signals = graceMs > 0 ? (['SIGTERM', 'SIGKILL'] as const) : (['SIGKILL'] as const)
  for (const signal of signals) {
    if (!isRunning(identity)) return
    try {
      process.kill(identity.pid, signal)
    } catch {
      return // ended in between
    }
    const deadlineMs = performance.now() + (signal === 'SIGTERM' ? graceMs : 5_000)
    while (isRunning(identity) && performance.now() < deadlineMs) await delay(20)
  }
}

function listProcesses(): ProcessRow[] {
  if (process.platform !== 'linux') return listByPs()
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProc(Number(name)) ?? [])
}

/** /proc/<pid>/stat: `pid (name) state ppid … starttime`, where the name may hold anything; start in ticks since boot. */
function readProc(pid: number): ProcessRow | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null // no such process, or it ended while it was read
  }
  const nameEnd = stat.lastIndexOf(')')
  const fields = stat.slice(nameEnd + 2).split(' ')
  const [state, parentPid] = fields
  if (state === 'Z' || state === 'X') return null
  const name = stat.slice(stat.indexOf('(') + 1, nameEnd)
  return { pid, parentPid: Number(parentPid), name, started: `${bootId()}:${fields[19]}` }
}

let boot: string | null = null

/** Ticks since boot repeat after a reboot; with the boot's id they do not. */
function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return boot
}

/** `  812     1 Z Fri Nov 20 12:00:00 2026 /usr/bin/name` */
const PS_LINE = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/

function listByPs(): ProcessRow[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,lstart=,comm='], { encoding: 'utf8' })
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [, pid, parentPid, state, started, command] = PS_LINE.exec(line) ?? []
    if (pid === undefined || started === undefined || state?.startsWith('Z')) return []
    return [
      { pid: Number(pid), parentPid: Number(parentPid), name: command?.split('/').at(-1) ?? '', started },
    ]
  })
}
