import { runAgentProcess } from '#agent/agent-process.ts'
import { entriesOf } from '#agent/engine-list.ts'
import * as list from './engines.ts'

/** `agent/main.ts` with the scripted engines. */
await runAgentProcess(process.argv.slice(2), entriesOf(import.meta.resolve('./engines.ts'), list))
