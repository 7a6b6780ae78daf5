import { readFileSync } from 'node:fs'

/**
 * Whether a process that left its mark still lives. A pid alone does not say: it is used again, after a restart of the
 * machine too, and a zombie, which nobody may ever reap in a container, has one.
 */
export interface ProcessMark {
  readonly pid: number
  /** Null: this system does not say when a process began. */
  readonly started: string | null
}

export function isLiving({ pid, started }: ProcessMark): boolean {
  const found = markOf(pid)
  return found !== null && (started === null || found.started === started)
}

/** Null: there is no such process. */
export function markOf(pid: number): ProcessMark | null {
  if (!hasProcess(pid)) return null
  if (process.platform !== 'linux') return { pid, started: null }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // `pid (name) state ppid … starttime`, where the name may hold anything; the start in ticks since the boot.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : { pid, started: `${bootId()}:${fields[19]}` }
  } catch {
    return null // it ended while it was read
  }
}

function hasProcess(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives and is somebody else's. ESRCH: it is gone.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Ticks repeat after a restart of the machine; with this they do not. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
