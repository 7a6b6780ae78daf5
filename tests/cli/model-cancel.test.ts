import { expect, test } from 'vitest'
import { json, problem, stream } from '#tests/client/kit/scripted-server.ts'
import { anOperation, OPERATION, OPERATIONS } from './kit/operations.ts'
import { server, terminal } from './kit/served.ts'

const CANCELLED = anOperation('cancelled', { state: 'cancelled', bytes_done: 0, bytes_total: 0 })

test('[CLI42] models cancel ends an operation and prints how it stands then', async () => {
  server.on(`DELETE ${OPERATIONS}/${OPERATION}`, json(CANCELLED))
  expect(await terminal.dalston('models', 'cancel', OPERATION)).toBe(0)
  expect(terminal.out).toBe(`${OPERATION}  cancelled\n`)
})

test('[CLI42] in the pool where it was begun, and as JSON', async () => {
  server.on(`DELETE ${OPERATIONS}/${OPERATION}?pool=annex`, json(CANCELLED))
  expect(await terminal.dalston('models', 'cancel', OPERATION, '--pool', 'annex', '--json')).toBe(0)
  expect(JSON.parse(terminal.out)).toEqual(CANCELLED)
})

test('[CLI42] one that is not there is an error in words', async () => {
  server.on(`DELETE ${OPERATIONS}/op_x`, problem('not_found', 404, 'There is no such model operation.'))
  expect(await terminal.dalston('models', 'cancel', 'op_x')).toBe(1)
  expect(terminal.err).toContain('There is no such model operation.')
})

test('[CLI42] who watches one that is cancelled is told: exit 3', async () => {
  server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
  const event = `event: operation\ndata: ${JSON.stringify(CANCELLED)}\n\n`
  server.on(`GET ${OPERATIONS}/${OPERATION}/events`, stream([event]))
  expect(await terminal.dalston('models', 'pull', 'whisper-base')).toBe(3)
  expect(terminal.err).toContain('box-1  cancelled')
})
