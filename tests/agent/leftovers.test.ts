import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anAgentProcess } from './kit/agent-processes.ts'
import { aControlPlane, aFolder, anUpload, lives, run } from './kit/agents.ts'
import { JOIN_TOKEN } from './kit/control-plane.ts'
import { identityModel } from './kit/identity-model.ts'

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
