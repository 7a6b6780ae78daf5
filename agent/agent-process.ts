import { startAgent } from './agent.ts'
import { parseConfig, USAGE, UsageError } from './config.ts'
import { type EngineList, engineList } from './engine-list.ts'
import { jsonLog, sentenceOf } from './log.ts'

/** An orphan has nobody left to read its results: it waits for its tasks no longer than this. */
const ORPHAN_DRAIN_MS = 10_000

/**
 * The agent as a process of its own: signals, the parent's IPC channel, exit codes (0 drained, 1 failed, 2 usage, 4 bad
 * token). SIGTERM and SIGINT drain, a second one hands back at once.
 */
export async function runAgentProcess(argv: readonly string[], builtIn: EngineList): Promise<never> {
  const log = jsonLog((line) => process.stderr.write(line))
  try {
    const config = parseConfig(argv, process.env)
    const agent = await startAgent(config, await engineList(config, builtIn), log)
    process.on('SIGTERM', () => agent.drain('SIGTERM'))
    process.on('SIGINT', () => agent.drain('SIGINT'))
    process.on('disconnect', () =>
      agent.drain('the parent process ended', Math.min(config.drainTimeoutMs, ORPHAN_DRAIN_MS)),
    )
    void agent.ready.then(() => {
      agent.warm()
      process.send?.({ type: 'ready' })
    })
    const { exitCode } = await agent.ended
    process.exit(exitCode)
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n${USAGE}\n`)
      process.exit(2)
    }
    log('agent.failed', { message: sentenceOf(error) })
    process.exit(1)
  }
}
