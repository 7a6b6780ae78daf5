import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { moveCredential } from '#host/agent-credential.ts'
import { describeDataFolder } from '#host/data-folder.ts'
import { type LocalAgent, startLocalAgent } from '#host/local-agent.ts'
import { isRunning, type ProcessIdentity } from '#host/processes.ts'

let path: string
let agent: LocalAgent | null
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'dalston-agent-test-'))
})
afterEach(async () => {
  await agent?.stop()
  vi.unstubAllEnvs()
  rmSync(path, { recursive: true })
})

function start(behaviour: string) {
  vi.stubEnv('FAKE_AGENT', behaviour)
  const seen: { lines: string[]; processes: (ProcessIdentity | null)[] } = { lines: [], processes: [] }
  agent = startLocalAgent({
    mainPath: fileURLToPath(new URL('kit/fake-agent.ts', import.meta.url)),
    server: 'http://127.0.0.1:1',
    folder: describeDataFolder(path),
    joinToken: () => Promise.resolve('dj_test'),
    logFd: openSync(join(path, 'log'), 'a'),
    log: (line) => seen.lines.push(line),
    onProcess: (process) => seen.processes.push(process),
    restartBaseMs: 1,
  })
  return { agent, seen }
}
const running = (processes: readonly (ProcessIdentity | null)[]) =>
  processes.filter((each) => each !== null && isRunning(each))

test('[H6] it is ready when it says so, and stop ends it', async () => {
  const { agent, seen } = start('well')
  await agent.ready
  expect(running(seen.processes)).toHaveLength(1)
  await agent.stop()
  expect(running(seen.processes)).toEqual([])
  expect(seen.lines).toEqual([])
})

test('[H6] an agent that dies is started again', async () => {
  const { agent, seen } = start('well')
  await agent.ready
  process.kill(seen.processes[0]?.pid ?? 0, 'SIGKILL')
  await vi.waitFor(() => expect(seen.processes.filter((each) => each !== null)).toHaveLength(2), 4_000)
  expect(running(seen.processes)).toHaveLength(1)
  expect(seen.lines).toEqual(['the local agent ended (signal SIGKILL); it is started again'])
})

test('[H6] one that ends three times before it is ready is reported', async () => {
  await expect(start('dies').agent.ready).rejects.toThrow(
    'the local agent ended 3 times before it was ready (exit 7)',
  )
})

test('[H7] the agent stays the same one when its server comes back at another address', () => {
  agent = null
  mkdirSync(join(path, 'agent'))
  const file = join(path, 'agent/credential.json')
  moveCredential(join(path, 'agent'), 'http://127.0.0.1:2') // nobody joined yet: nothing to move
  writeFileSync(file, JSON.stringify({ server: 'http://127.0.0.1:1', agent_id: 'a', credential: 'da_x' }), {
    mode: 0o600,
  })
  moveCredential(join(path, 'agent'), 'http://127.0.0.1:2')
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    server: 'http://127.0.0.1:2',
    agent_id: 'a',
    credential: 'da_x',
  })
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
