import { ENGINES } from '#engines/list.ts'
import { runAgentProcess } from './agent-process.ts'

/** `node agent/main.ts --server URL [--token JOIN_TOKEN] …`: this installation's engines, for one server. */
await runAgentProcess(process.argv.slice(2), {
  moduleUrl: import.meta.resolve('#engines/list.ts'),
  entries: ENGINES,
})
