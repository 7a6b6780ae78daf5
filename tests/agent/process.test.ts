import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anAgentProcess } from './kit/agent-processes.ts'
import { aControlPlane, aGate, run } from './kit/agents.ts'
import { CREDENTIAL, JOIN_TOKEN } from './kit/control-plane.ts'

it('[A26] a command line that makes no sense ends it with 2, a sentence and the usage', async () => {
  const agent = await anAgentProcess(['--server', 'localhost'])
  expect(await agent.exited).toEqual({ code: 2, signal: null })
  expect(agent.output()).toContain('--server: expected the address of a server')
  expect(agent.output()).toContain('usage: node agent/main.ts')
})

describe('[A19] secrets', () => {
  it('the credential lies 0600 in the data folder; no token is in the log; the second start needs no join token', async () => {
    const plane = await aControlPlane()
    const first = await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN])
    expect(await first.ready).toEqual({ type: 'ready' })
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'reports:3' })
    await link.next('task.result')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })
    first.child.kill('SIGTERM')
    expect(await first.exited).toEqual({ code: 0, signal: null })

    const path = join(first.dataFolder, 'credential.json')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).toContain(CREDENTIAL)
    for (const secret of [JOIN_TOKEN, CREDENTIAL, 'tt_first-task-token', 'word 3']) {
      expect(first.output()).not.toContain(secret)
    }
    expect(first.lines.all.map((line) => line.event)).not.toContain('text')

    const second = await anAgentProcess(['--server', plane.url], { dataFolder: first.dataFolder })
    await second.ready
    expect(plane.joins).toEqual([`Bearer ${JOIN_TOKEN}`])
  })
})

it('[A7] without a credential and without a token it ends with 4', async () => {
  const agent = await anAgentProcess(['--server', 'http://127.0.0.1:1'])
  expect((await agent.exited).code).toBe(4)
  expect(agent.output()).toContain('a join token is needed')
})

describe('[A17] signals', () => {
  it('SIGTERM finishes what runs and exits 0; nothing is left of it', async () => {
    const plane = await aControlPlane()
    const gate = await aGate()
    const agent = await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN])
    const link = await plane.link()
    const grant = await run(plane, link, { script: gate.script })
    await link.next('task.progress')
    agent.child.kill('SIGTERM')
    await link.next('agent.draining')
    await gate.open()
    expect((await link.next('task.result')).outcome.status).toBe('completed')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })

    expect((await agent.exited).code).toBe(0)
    expect(await readdir(join(agent.dataFolder, 'work'))).toEqual([])
  })

  it('a second one hands back at once', async () => {
    const plane = await aControlPlane()
    const agent = await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN])
    const link = await plane.link()
    const grant = await run(plane, link, { script: 'hold:/nowhere' })
    agent.child.kill('SIGINT')
    await link.next('agent.draining')
    agent.child.kill('SIGINT')
    expect((await link.next('task.result')).outcome.status).toBe('handed_back')
    link.send({ type: 'task.ack', ...grant, answer: 'accepted' })
    expect((await agent.exited).code).toBe(0)
  })
})
