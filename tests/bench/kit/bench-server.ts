import { closeSync, openSync } from 'node:fs'
import { Dalston } from '#client/dalston.ts'
import { type Host, startHost } from '#host/host.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

/** The real server without an agent, for benches that bring their own. */
export interface BenchServer extends AsyncDisposable {
  readonly host: Host
  readonly client: Dalston
}

/** `workerPath`: another build than the project's own. */
export async function startBenchServer(workerPath?: string): Promise<BenchServer> {
  const folder = new TempFolder()
  const logFd = openSync(folder.join('log'), 'w')
  const dataPath = folder.join('data')
  const host = await startHost({ dataPath, host: '127.0.0.1', port: 0, agent: false, logFd, workerPath })
  return {
    host,
    client: new Dalston({ server: host.address, apiKey: host.apiKey }),
    async [Symbol.asyncDispose]() {
      await host.stop()
      closeSync(logFd)
      folder[Symbol.dispose]()
    },
  }
}
