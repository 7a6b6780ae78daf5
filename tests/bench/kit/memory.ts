import { readFileSync } from 'node:fs'
import { childrenNamed } from '#host/processes.ts'

/** The runtime of the server that was started last: of several it has the highest pid. */
export function runtimePid(): number {
  const pids = childrenNamed('workerd').map(({ pid }) => pid)
  if (pids.length === 0) throw new Error('the runtime has no process')
  return Math.max(...pids)
}

/** The resident set of a process, from Linux's /proc. */
export function residentMib(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) / 1024
}

/** How many files a process of ours may open. */
export function openFilesLimit(): number {
  const line = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))
  return Number(line?.[1] ?? 1024)
}
