import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anAgentProcess } from './kit/agent-processes.ts'
import { aControlPlane, aFolder, aGate, anUpload, lives, run } from './kit/agents.ts'
import { CREDENTIAL, JOIN_TOKEN } from './kit/control-plane.ts'
import { identityModel } from './kit/identity-model.ts'

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

describe('[A7] a refused token ends it with 4', () => {
  it('at the join', async () => {
    const plane = await aControlPlane()
    plane.joinAnswer = { status: 401 }
    const agent = await anAgentProcess(['--server', plane.url, '--token', 'dj_wrong'])
    expect((await agent.exited).code).toBe(4)
  })

  it('without one, and nothing stored', async () => {
    const agent = await anAgentProcess(['--server', 'http://127.0.0.1:1'])
    expect((await agent.exited).code).toBe(4)
    expect(agent.output()).toContain('a join token is needed')
  })
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

describe('[A27] no orphans', () => {
  it('an agent whose parent is gone drains', async () => {
    const plane = await aControlPlane()
    const agent = await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN])
    await agent.ready
    agent.child.disconnect()
    expect((await agent.exited).code).toBe(0)
  })

  it('an engine whose agent was killed ends, even in a blocked thread; the next start sweeps its files', async () => {
    const plane = await aControlPlane()
    const agent = await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN])
    const link = await plane.link()
    await run(plane, link, { script: 'spin' })
    await link.next('task.progress')
    const started = agent.lines.all.find((line) => line.event === 'engine.started')
    agent.child.kill('SIGKILL')
    await agent.exited
    await expect.poll(() => lives(Number(started?.pid)), { timeout: 10_000 }).toBe(false)
    expect(await readdir(join(agent.dataFolder, 'work'))).toHaveLength(1)

    const next = await anAgentProcess(['--server', plane.url], { dataFolder: agent.dataFolder })
    await next.ready
    expect(await readdir(join(agent.dataFolder, 'work'))).toEqual([String(next.child.pid)])
  })
})

describe('[A20] telemetry', () => {
  it('ONNX Runtime leaves no file in an empty HOME', async () => {
    const plane = await aControlPlane()
    const home = await aFolder()
    const model = join(await aFolder(), 'identity.onnx')
    await writeFile(model, identityModel())
    await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN], { env: { HOME: home } })
    const link = await plane.link()
    await run(plane, link, { script: `onnx:${model}`, inputs: [anUpload(plane)] })

    expect((await link.next('task.result')).outcome.status).toBe('completed')
    expect(await readdir(home, { recursive: true })).toEqual([])
  })
})
