import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Dalston } from '#client/dalston.ts'
import { openDataFolder } from '#host/data-folder.ts'
import { CommandError, EXIT } from './exit-codes.ts'
import { aborted, type Interrupts } from './interrupts.ts'

export interface LocalServer {
  readonly client: Dalston
  stop(): Promise<void>
}

const LOG_TAIL_LINES = 15

/**
 * A server with its agent for the length of one command, on a free port; its log goes to server.log in the data folder.
 * Null when the first Ctrl-C came while it started: then nothing is left of it.
 * @throws CommandError with the end of the log when the agent does not get ready, HostError.
 */
export async function startLocalServer(
  dataPath: string,
  interrupts: Interrupts,
): Promise<LocalServer | null> {
  // Only commands that start a server pay for loading one.
  const { startHost } = await import('#host/host.ts')
  const logPath = join(openDataFolder(dataPath).path, 'server.log')
  const logFd = openSync(logPath, 'w', 0o600)
  try {
    const host = await startHost({ dataPath, host: '127.0.0.1', port: 0, agent: true, logFd })
    const stop = async () => {
      await host.stop()
      closeSync(logFd)
    }
    try {
      await Promise.race([host.agentReady, aborted(interrupts.first)])
    } catch (error) {
      await stop()
      const sentence = error instanceof Error ? error.message : String(error)
      throw new CommandError(`${sentence}; its log ends:\n${tail(logPath)}`, EXIT.unavailable, {
        cause: error,
      })
    }
    if (!interrupts.first.aborted)
      return { client: new Dalston({ server: host.address, apiKey: host.apiKey }), stop }
    await stop()
    return null
  } catch (error) {
    if (!(error instanceof CommandError)) closeSync(logFd)
    throw error
  }
}

function tail(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return lines
    .slice(-LOG_TAIL_LINES)
    .map((line) => `  ${line}`)
    .join('\n')
}
