import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import { EXIT } from './exit-codes.ts'
import type { Command } from './io.ts'
import { exactly, JSON_OPTION, parseParameters } from './parameters.ts'

const PACKAGE = new URL('../package.json', import.meta.url)

export const command: Command = {
  summary: 'print the version',
  usage: 'usage: dalston version [--json]',
  run(parameters, io) {
    const { values, positionals } = parseParameters(parameters, JSON_OPTION)
    exactly(positionals)
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(PACKAGE, 'utf8')))
    const facts = {
      version,
      agent_protocol: PROTOCOL_VERSION,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    }
    io.out(values.json ? `${JSON.stringify(facts)}\n` : `dalston ${version}\n`)
    return Promise.resolve(EXIT.ok)
  },
}
