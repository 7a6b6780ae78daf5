import { resolve } from 'node:path'
import { defaultDataPath } from '#host/data-folder.ts'
import { readHostSettings, settingsPath } from '#host/settings.ts'
import { SETTINGS } from '#protocol/settings.ts'
import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'
import { exactly, JSON_OPTION, parseParameters } from './parameters.ts'
import { renderTable } from './render-table.ts'

export const command: Command = {
  summary: 'list the settings of a server on this machine, and where each value comes from',
  usage: `usage: dalston settings [--data DIR] [--json]

  --data DIR    the server's data folder: $DALSTON_DATA, else $XDG_DATA_HOME/dalston, else ~/.local/share/dalston
Set one by a line \`lease_seconds: 60\` in settings.yaml in the data folder, or by DALSTON_LEASE_SECONDS=60 in the environment
of \`dalston serve\`, which wins. A server reads them as it starts; none need run for this list.`,
  run(parameters, io) {
    const { values, positionals } = parseParameters(parameters, { data: { type: 'string' }, ...JSON_OPTION })
    exactly(positionals)
    const dataPath = values.data === undefined ? defaultDataPath(io.environment) : resolve(values.data)
    const { settings, sourceOf } = readHostSettings(dataPath, io.environment)
    const list = SETTINGS.map(({ name, variable, range, sentence, default: fallback }) => {
      return {
        name,
        value: settings[name],
        source: sourceOf(name),
        default: fallback,
        range,
        variable,
        sentence,
      }
    })
    const headings = ['SETTING', 'VALUE', 'FROM', 'RANGE', 'WHAT IT DOES']
    const rows = list.map(({ name, value, source, range, sentence }) => {
      return [name, String(value ?? ''), source, range, sentence]
    })
    if (values.json) io.out(`${JSON.stringify(list)}\n`)
    else io.out(renderTable(headings, rows, ''))
    io.err(`the file is ${settingsPath(dataPath)}\n`)
    return Promise.resolve(EXIT.ok)
  },
}
