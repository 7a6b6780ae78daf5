import { Worker } from 'node:worker_threads'

/**
 * Ends this process when its parent is gone, even while its main thread is blocked in native code or in a loop: a
 * disconnect event needs a free thread, a killed agent leaves none behind.
 */
export function watchParent(): void {
  new Worker(WATCH, { eval: true, workerData: { parent: process.ppid } }).unref()
}

const WATCH = `
  const { parent } = require('node:worker_threads').workerData
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL') }, 1000)
`
