import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Fingerprint, fingerprint } from './kit/wire.ts'

/** The wire does not change by accident. */
const now = fingerprint()
// The file is written by kit/write-fingerprint.ts.
const saved: Fingerprint = JSON.parse(
  readFileSync(new URL('../../protocol/fingerprint.json', import.meta.url), 'utf8'),
)
const REFRESH = 'then run: node tests/protocol/kit/write-fingerprint.ts'

function changed(wire: 'agent_wire' | 'public_wire'): string[] {
  const names = new Set([...Object.keys(now[wire]), ...Object.keys(saved[wire])])
  return [...names].filter((name) => now[wire][name] !== saved[wire][name])
}

test('[PW4] a change of the agent wire is meant', () => {
  const names = changed('agent_wire').join(', ')
  const advice =
    `The agent wire changed: ${names}. If an agent or server of the last release would not understand it, raise ` +
    `PROTOCOL_VERSION in protocol/agent-messages.ts. Add the change to the history in protocol/README.md and to ` +
    `tests/protocol/golden, ${REFRESH}`
  expect(changed('agent_wire'), advice).toEqual([])
})

test('[PW4] a change of the public wire is meant', () => {
  const names = changed('public_wire').join(', ')
  const advice =
    `The API or its events changed: ${names}. Clients read these; add fields rather than rename or remove them. ` +
    `Add the change to the history in protocol/README.md and, for events, to tests/protocol/golden, ${REFRESH}`
  expect(changed('public_wire'), advice).toEqual([])
})

test('[PW4] a new protocol version is written down', () => {
  const advice = `PROTOCOL_VERSION is ${now.protocol}, the fingerprint is of ${saved.protocol}. Add the version to protocol/README.md, ${REFRESH}`
  expect(now.protocol, advice).toBe(saved.protocol)
  const readme = readFileSync(new URL('../../protocol/README.md', import.meta.url), 'utf8')
  expect(readme, 'the history in protocol/README.md has a line for each version').toContain(
    `| ${now.protocol} |`,
  )
})
