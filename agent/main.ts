import * as list from '#engines/list.ts'
import { runAgentProcess } from './agent-process.ts'
import { entriesOf } from './engine-list.ts'

/** `node agent/main.ts --server URL [--token JOIN_TOKEN] …`: this installation's engines, for one server. */
await runAgentProcess(process.argv.slice(2), entriesOf(import.meta.resolve('#engines/list.ts'), list))
