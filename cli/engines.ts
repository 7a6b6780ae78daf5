import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'

export const command: Command = {
  summary: 'list the engines that run',
  usage: 'usage: dalston engines [--json] [--server URL]',
  async run(parameters, io) {
    const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
    exactly(positionals)
    const engines = await connect(values.server, io.environment).engines()
    const rows = engines.map((engine) => [
      engine.engine_id,
      engine.agent_name,
      engine.status,
      engine.manifest.stages.join(','),
      engine.device,
      `${engine.running_tasks}/${engine.slots}`,
      String(engine.queued_tasks),
      engine.models.map((model) => model.id).join(','),
    ])
    const headings = ['ENGINE', 'AGENT', 'STATUS', 'STAGES', 'DEVICE', 'RUNNING', 'QUEUED', 'MODELS']
    if (values.json) io.out(`${JSON.stringify(engines)}\n`)
    else io.out(renderTable(headings, rows, 'no engine runs; `dalston agents token` lets an agent join'))
    return EXIT.ok
  },
}
