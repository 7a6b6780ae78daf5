import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { agentDataFolder } from './own-entries.ts'
import { exactly, parseParameters } from './parameters.ts'

/** Installs a model from a folder of this machine: `dalston models import ID FOLDER`. The agent's own code does it. */
export async function importModel(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, { 'agent-data': { type: 'string' } })
  const [id = '', folder = ''] = exactly(positionals, 'ID', 'FOLDER')
  const main = fileURLToPath(new URL('../agent/import-main.ts', import.meta.url))
  const dataFolder = agentDataFolder(values['agent-data'], io.environment)
  const child = spawn(process.execPath, [main, dataFolder, id, resolve(folder)])
  child.stdout.setEncoding('utf8').on('data', io.out)
  child.stderr.setEncoding('utf8').on('data', io.err)
  const [code] = await once(child, 'close')
  return code === 0 ? EXIT.ok : EXIT.failure
}
