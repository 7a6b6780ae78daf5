import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'

/** Stands in for agent/main.ts. FAKE_AGENT says how it behaves: `stubborn` outlives its parent, `dies` never gets ready. */
const { values } = parseArgs({
  options: {
    server: { type: 'string' },
    data: { type: 'string' },
    name: { type: 'string' },
  },
})
if (process.env.FAKE_AGENT === 'dies' || process.env.DALSTON_JOIN_TOKEN !== 'dj_test') process.exit(7)
mkdirSync(values.data ?? '', { recursive: true })
process.on('SIGTERM', () => process.exit(0))
process.on('disconnect', () => process.env.FAKE_AGENT === 'stubborn' || process.exit(0))
setInterval(() => undefined, 60_000)
process.send?.({ type: 'ready' })
