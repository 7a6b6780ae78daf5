import { closeSync, openSync, writeFileSync } from 'node:fs'
import { type Host, startHost } from '#host/host.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

/** The real thing on a port of its own: the Worker, its storage, and one local agent with the embedded model. */
export interface RealServer {
  readonly url: string
  readonly key: string
  signInLink(): Promise<string>
  close(): Promise<void>
}

export async function startServer(): Promise<RealServer> {
  const folder = new TempFolder()
  const logPath = folder.join('server.log')
  writeFileSync(logPath, '')
  const logFd = openSync(logPath, 'a')
  const free = () => {
    closeSync(logFd)
    folder[Symbol.dispose]()
  }
  let host: Host
  try {
    host = await startHost({ dataPath: folder.join('data'), host: '127.0.0.1', port: 0, agent: true, logFd })
  } catch (error) {
    free()
    throw error
  }
  await host.agentReady
  return {
    url: host.address,
    key: host.apiKey,
    signInLink: host.signInLink,
    close: async () => {
      await host.stop()
      free()
    },
  }
}
