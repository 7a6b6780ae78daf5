import { copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { type BenchServer, startBenchServer } from './bench-server.ts'

/** The real server with a bench's own entry round the built Worker, which lies beside it as product.js. */
export async function startWrappedServer(
  entry: 'counting-worker.js' | 'evicting-worker.js',
): Promise<BenchServer> {
  const folder = new TempFolder()
  const built = (name: string) => fileURLToPath(new URL(`../../../dist/worker/${name}`, import.meta.url))
  mkdirSync(folder.join('worker'))
  copyFileSync(built('worker.js'), folder.join('worker/product.js'))
  copyFileSync(built('host.json'), folder.join('worker/host.json'))
  copyFileSync(fileURLToPath(new URL(entry, import.meta.url)), folder.join('worker/worker.js'))
  const server = await startBenchServer(folder.join('worker'))
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}
