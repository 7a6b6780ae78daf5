import { randomBytes } from 'node:crypto'
import { KEY_RANDOM_BYTES, newKey } from '#protocol/key.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import type { Command } from './io.ts'
import { exactly, parseParameters } from './parameters.ts'

export const command: Command = {
  summary: 'make an API key, for the secret ADMIN_KEY of an installation at the edge',
  usage: 'usage: dalston keys new',
  run([verb, ...parameters], io) {
    if (verb !== 'new') throw new UsageError(`keys: expected new, got ${verb ?? 'nothing'}`)
    exactly(parseParameters(parameters, {}).positionals)
    io.out(`${newKey('dk', randomBytes(KEY_RANDOM_BYTES))}\n`)
    return Promise.resolve(EXIT.ok)
  },
}
