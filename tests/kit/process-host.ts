import { processEngine } from '#engines/process/engine.ts'
import { aDescription, runProcess } from './process-engines.ts'

/** A process that holds a process engine, as the agent's child does: `node process-host.ts <folder>` runs a task that hangs. */
const [folder = ''] = process.argv.slice(2)
const engine = await processEngine(aDescription()).load()
await runProcess(engine, await engine.load(null), folder, {
  prompt: 'hang',
  onReport: ({ partial }) => partial && process.send?.(partial.text),
})
