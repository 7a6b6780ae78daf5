import { EXIT, UsageError } from './exit-codes.ts'
import type { Command } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'

export const command: Command = {
  summary: 'list the models that can be served',
  usage: 'usage: dalston models ls [--json] [--server URL]',
  async run([verb, ...parameters], io) {
    if (verb !== 'ls') throw new UsageError(`models: expected ls, got ${verb ?? 'nothing'}`)
    const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
    exactly(positionals)
    const models = await connect(values.server, io.environment).models()
    const rows = models.map((model) => [
      model.id,
      model.engine,
      model.languages?.join(',') ?? 'any',
      model.loaded_on.length > 0 ? 'loaded' : model.available_on.length > 0 ? 'available' : 'no agent has it',
      model.license,
      model.embedded ? 'for trying the system' : '',
    ])
    const headings = ['MODEL', 'ENGINE', 'LANGUAGES', 'STATE', 'LICENSE', '']
    if (values.json) io.out(`${JSON.stringify(models)}\n`)
    else io.out(renderTable(headings, rows, 'the catalog is empty'))
    return EXIT.ok
  },
}
