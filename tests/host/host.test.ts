import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isRunning } from '#host/processes.ts'
import { type RunningHost, type Said, Sandbox } from './kit/hosts.ts'

/** One walk through the life of a data folder; the steps build on each other, as starting a server takes a second. */
const sandbox = new Sandbox()
let host: RunningHost
let said: Said
beforeAll(async () => {
  host = sandbox.start({ data: 'data', agent: true }, { FAKE_AGENT: 'stubborn' })
  said = await host.said()
})
afterAll(() => sandbox.close())

async function count({ address, apiKey }: Said): Promise<unknown> {
  return (await fetch(`${address}/count`, { headers: { authorization: `Bearer ${apiKey}` } })).json()
}
const portOf = (said: Said) => Number(new URL(said.address ?? '').port)
const runningChildren = () => sandbox.lock('data').children.filter(isRunning)

test('[H1] a server is up, migrated, with its agent and a sign-in link, and its processes are on record', async () => {
  expect(said.link).toBe(`${said.address}/sign-in?link=x`)
  expect(await count(said)).toEqual({ visits: 1 })
  expect(runningChildren()).toHaveLength(2)
})

test('[H2] a folder in use and a port in use are one sentence each, and nothing is started', async () => {
  const starts = [sandbox.start({ data: 'data' }), sandbox.start({ data: 'other', port: portOf(said) })]
  const [sameFolder, samePort] = await Promise.all(starts.map((start) => start.said()))
  expect(sameFolder?.error).toMatch(/^HostError: The data folder .* is in use by another Dalston server/)
  expect(samePort?.error).toBe(
    `HostError: Port ${portOf(said)} on 127.0.0.1 is in use; choose another with --port.`,
  )
  expect(await Promise.all(starts.map((start) => start.exit))).toEqual([1, 1])
  expect(existsSync(join(sandbox.folder('other'), 'server.lock'))).toBe(false)
})

test('[H4] after kill -9 the next start ends what was left, takes the same port and continues; a clean stop leaves nothing', async () => {
  const orphans = runningChildren()
  await host.end('SIGKILL')
  expect(orphans.filter(isRunning)).toHaveLength(2)

  const second = sandbox.start({ data: 'data', port: portOf(said), agent: true })
  const again = await second.said()
  expect(orphans.filter(isRunning)).toEqual([])
  expect(again).toMatchObject({ address: said.address, apiKey: said.apiKey })
  expect(await count(again)).toEqual({ visits: 2 })

  const children = runningChildren()
  expect(children).toHaveLength(2)
  expect(await second.end('SIGTERM')).toBe(0)
  expect(children.filter(isRunning)).toEqual([])
  expect(existsSync(join(sandbox.folder('data'), 'server.lock'))).toBe(false)
})
