import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isRunning, type ProcessIdentity } from '#host/processes.ts'

interface Row {
  readonly pid: number
  readonly parentPid: number
  readonly command: string
}

/** Processes that this one started, at whatever remove, as long as their parents live. Linux only. */
export function descendants(rootPid: number): Row[] {
  const rows = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? readRow(Number(name)) : []))
  const found: Row[] = []
  for (let parents = new Set([rootPid]); parents.size > 0; ) {
    const children = rows.filter(({ parentPid }) => parents.has(parentPid))
    found.push(...children)
    parents = new Set(children.map(({ pid }) => pid))
  }
  return found
}

/** kill -9 of one process, which may have ended meanwhile. */
export function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // ESRCH: it was faster.
  }
}

const CENSUS_MS = 500
const PATIENCE_MS = 8_000

/** Counts all processes under this one while it runs, so that none that lost its parent is forgotten. */
export class Census {
  readonly #seen = new Map<number, ProcessIdentity>()
  readonly #timer = setInterval(() => this.take(), CENSUS_MS)

  take(): void {
    for (const { pid } of descendants(process.pid)) {
      const identity = identify(pid)
      if (identity !== null) this.#seen.set(pid, identity)
    }
  }

  /** What of all that were seen still runs. */
  living(): ProcessIdentity[] {
    this.take()
    return [...this.#seen.values()].filter(isRunning)
  }

  /** Stops counting; what still runs of all that were seen, after a while for the last to end. */
  async leftovers(): Promise<ProcessIdentity[]> {
    clearInterval(this.#timer)
    const deadlineMs = performance.now() + PATIENCE_MS
    for (;;) {
      const left = [...this.#seen.values()].filter(isRunning)
      if (left.length === 0 || performance.now() > deadlineMs) return left
      await sleep(100)
    }
  }
}

function readRow(pid: number): Row[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return [{ pid, parentPid: Number(parentPid), command }]
  } catch {
    return [] // it ended while it was read
  }
}
