import { writeFileSync } from 'node:fs'
import { fingerprint } from './wire.ts'

/** Writes protocol/fingerprint.json anew: `node tests/protocol/kit/write-fingerprint.ts`, once the change is meant. */
const path = new URL('../../../protocol/fingerprint.json', import.meta.url)
writeFileSync(path, `${JSON.stringify(fingerprint(), null, 2)}\n`)
