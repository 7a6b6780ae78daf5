import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/** The edge takes a Worker of 3 MB gzipped on its free plan. */
const LIMIT_BYTES = 3_000_000
const sizeBytes = gzipSync(readFileSync(new URL('../dist/worker/worker.js', import.meta.url))).length
console.log(`the Worker is ${sizeBytes} bytes gzipped; ${LIMIT_BYTES} are allowed`)
process.exit(sizeBytes <= LIMIT_BYTES ? 0 : 1)
