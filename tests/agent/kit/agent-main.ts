import { runAgentProcess } from '#agent/agent-process.ts'
import { ENGINES } from './engines.ts'

/** `agent/main.ts` with the scripted engines. */
await runAgentProcess(process.argv.slice(2), {
  moduleUrl: import.meta.resolve('./engines.ts'),
  entries: ENGINES,
})
