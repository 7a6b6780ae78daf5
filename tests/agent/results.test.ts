import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aControlPlane, anAgent, run } from './kit/agents.ts'

const outboxOf = (agent: { readonly dataFolder: string }) => readdir(join(agent.dataFolder, 'outbox'))

describe('[A12] a result without an answer', () => {
  it('is sent again, then posted, and its file goes with the answer', async () => {
    const plane = await aControlPlane()
    plane.welcome = { result_ack_ms: 30 }
    plane.answerResults.push({ status: 503 }, { status: 429, headers: { 'retry-after': '0' } })
    const agent = await anAgent(plane)
    const link = await plane.link()
    await run(plane, link)

    await link.next('task.result')
    expect(await outboxOf(agent)).toHaveLength(1)
    await link.next('task.result')
    for (let post = 0; post < 3; post++) await plane.postedResults.take('post', () => true)
    await agent.lines.take('answer', (line) => line.event === 'result.posted' && line.answer === 'accepted')
    await agent.stop()

    expect(link.count('task.result')).toBe(2)
    expect(await outboxOf(agent)).toEqual([])
  })

  it('is sent again after a reconnect', async () => {
    const plane = await aControlPlane()
    await anAgent(plane)
    const first = await plane.link()
    const grant = await run(plane, first)
    await first.next('task.result')
    first.cut()

    const second = await plane.link()

    expect((await second.hello).running).toEqual([grant])
    expect(await second.next('task.result')).toMatchObject(grant)
  })

  it('survives the process: the next start sends it', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link)
    const result = await link.next('task.result')
    await agent.stop()

    const next = await anAgent(plane, { dataFolder: agent.dataFolder })
    const again = await plane.link()

    expect(await again.next('task.result')).toEqual(result)
    again.send({ type: 'task.ack', ...grant, answer: 'duplicate' })
    next.drain('test')
    await next.ended
    expect(await outboxOf(next)).toEqual([])
  })

  it('ends when the server refuses it for good', async () => {
    const plane = await aControlPlane()
    plane.welcome = { result_ack_ms: 20 }
    plane.answerResults.push({ status: 400 })
    const agent = await anAgent(plane)
    await run(plane, await plane.link())
    await agent.lines.take('refusal', (line) => line.event === 'result.posted' && line.answer === 'refused')
    await agent.stop()

    expect(await outboxOf(agent)).toEqual([])
  })
})

describe('[A13] the answer decides over the local files', () => {
  it.each([
    { answer: 'accepted', cached: 3 },
    { answer: 'stale', cached: 0 },
    { answer: 'gone', cached: 0 },
  ] as const)('$answer: $cached outputs stay', async ({ answer, cached }) => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane)
    const link = await plane.link()
    const grant = await run(plane, link)
    await link.next('task.result')
    link.send({ type: 'task.ack', ...grant, answer })

    await agent.lines.take('end of the result', (line) => line.event === 'result.forgotten')

    const kept = await readdir(join(agent.dataFolder, 'work', String(process.pid), 'cache'))
    expect(kept).toHaveLength(cached)
  })
})
