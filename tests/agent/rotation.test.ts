import { readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Credential, readCredential, writeCredential } from '#agent/credential.ts'
import { Pool } from '#protocol/ids.ts'
import { aControlPlane, aFolder, aGate, anAgent, run } from './kit/agents.ts'
import { AGENT_ID, type ControlPlane, CREDENTIAL } from './kit/control-plane.ts'

/** A data folder as an agent left it. */
async function stored(plane: ControlPlane, change: Partial<Credential> = {}): Promise<string> {
  const dataFolder = await aFolder()
  await writeCredential(dataFolder, {
    agent_id: AGENT_ID,
    pool: Pool.parse('default'),
    server: plane.url,
    credential: CREDENTIAL,
    issued_at_ms: Date.now(),
    previous: null,
    ...change,
  })
  return dataFolder
}

function onDisk(dataFolder: string): Pick<Credential, 'credential' | 'previous'> {
  const { credential, previous } = JSON.parse(readFileSync(join(dataFolder, 'credential.json'), 'utf8'))
  return { credential, previous }
}

const dials = (plane: ControlPlane) => plane.dials.all.map((dial) => dial.authorization)
const bearer = (credential: string) => `Bearer ${credential}`
const NEVER = new Promise<void>(() => {})
const DAY_MS = 86_400_000

describe('[A40] rotation', () => {
  it.each([
    { what: 'older than 30 days', issued_at_ms: Date.now() - 31 * DAY_MS, rotateNow: false, rotations: 1 },
    { what: 'of 29 days', issued_at_ms: Date.now() - 29 * DAY_MS, rotateNow: false, rotations: 0 },
    { what: 'of unknown age', issued_at_ms: 0, rotateNow: false, rotations: 1 },
    { what: 'young, with --rotate-now', issued_at_ms: Date.now(), rotateNow: true, rotations: 1 },
  ])('of a stored credential $what: $rotations', async ({ issued_at_ms, rotateNow, rotations }) => {
    const plane = await aControlPlane()
    await anAgent(plane, { dataFolder: await stored(plane, { issued_at_ms }), rotateNow })
    await plane.link()

    expect(plane.rotations.all).toEqual(rotations === 1 ? [bearer(CREDENTIAL)] : [])
    expect(dials(plane)).toEqual([bearer(rotations === 1 ? 'da_rotated-1' : CREDENTIAL)])
  })

  it('of a running agent: it dials again with the new one, and what runs goes on', async () => {
    const plane = await aControlPlane()
    const gate = await aGate()
    const running = Promise.withResolvers<void>()
    plane.beforeRotation = (n) => (n === 1 ? running.promise : NEVER)
    await anAgent(plane, { rotateAfterMs: 50 })
    const first = await plane.link()
    const grant = await run(plane, first, { script: gate.script })
    running.resolve()

    const second = await plane.link()
    expect(dials(plane).slice(0, 2)).toEqual([bearer(CREDENTIAL), bearer('da_rotated-1')])
    expect((await second.hello).running).toEqual([grant])
    await gate.open()
    expect((await second.next('task.result')).outcome.status).toBe('completed')
  })
})

describe('[A41] there is always a credential that opens', () => {
  it('the new one is on disk, with the one before, when it is first shown; after the welcome it is alone', async () => {
    const plane = await aControlPlane()
    const dataFolder = await stored(plane, { issued_at_ms: 0 })
    const seen: unknown[] = []
    plane.opens = () => seen.push(onDisk(dataFolder)) > 0
    const agent = await anAgent(plane, { dataFolder })
    await agent.ready
    await agent.stop()

    expect(seen).toEqual([{ credential: 'da_rotated-1', previous: CREDENTIAL }])
    expect(onDisk(dataFolder)).toEqual({ credential: 'da_rotated-1', previous: null })
  })

  it.each(['lost', { status: 503 }, { status: 404 }, { status: 401 }] as const)(
    'an answer that is %j: it goes on with the one it has, and the next start tries again',
    async (answer) => {
      const plane = await aControlPlane()
      const dataFolder = await stored(plane, { issued_at_ms: 0 })
      plane.answerRotations.push(answer)
      const first = await anAgent(plane, { dataFolder })
      await first.ready
      await first.stop()
      expect(onDisk(dataFolder)).toEqual({ credential: CREDENTIAL, previous: null })

      const second = await anAgent(plane, { dataFolder })
      await second.ready
      expect(dials(plane)).toEqual([bearer(CREDENTIAL), bearer('da_rotated-2')])
    },
  )

  it('a disk that does not take the new one: it is not used', async () => {
    const plane = await aControlPlane()
    const blocked = Promise.withResolvers<void>()
    plane.beforeRotation = () => blocked.promise
    const agent = await anAgent(plane, { rotateAfterMs: 50 })
    await agent.ready
    await plane.rotations.take('rotation', () => true)
    // A folder in its place cannot be written over.
    await rm(join(agent.dataFolder, 'credential.json'))
    await mkdir(join(agent.dataFolder, 'credential.json'))
    blocked.resolve()
    await agent.lines.take('error', (line) => line.event === 'agent.error')
    await agent.lines.take('another', (line) => line.event === 'agent.error')

    expect(plane.rotations.all.slice(0, 2)).toEqual([bearer(CREDENTIAL), bearer(CREDENTIAL)])
    expect(dials(plane)).toEqual([bearer(CREDENTIAL)])
  })
})

describe('[A42] a credential that is refused', () => {
  it('the one before is tried once, and kept when it opens', async () => {
    const plane = await aControlPlane()
    plane.opens = (authorization) => authorization === bearer(CREDENTIAL)
    const dataFolder = await stored(plane, { credential: 'da_unknown', previous: CREDENTIAL })
    const agent = await anAgent(plane, { dataFolder })
    await agent.ready
    await agent.stop()

    expect(dials(plane)).toEqual([bearer('da_unknown'), bearer(CREDENTIAL)])
    expect(onDisk(dataFolder)).toEqual({ credential: CREDENTIAL, previous: null })
    // It may live for a day only.
    expect((await readCredential(dataFolder, plane.url))?.issued_at_ms).toBe(0)
  })

  it('when both are refused it ends with 4, and the disk is as it was', async () => {
    const plane = await aControlPlane()
    plane.opens = () => false
    const dataFolder = await stored(plane, { credential: 'da_new', previous: 'da_old' })
    const agent = await anAgent(plane, { dataFolder, joinToken: null })

    expect(await agent.ended).toMatchObject({ exitCode: 4, sentence: expect.stringContaining('join again') })
    expect(dials(plane)).toEqual([bearer('da_new'), bearer('da_old')])
    expect(onDisk(dataFolder)).toEqual({ credential: 'da_new', previous: 'da_old' })
  })

  it('one that another process stored is tried', async () => {
    const plane = await aControlPlane()
    const dataFolder = await stored(plane)
    await anAgent(plane, { dataFolder })
    const link = await plane.link()
    const present = await readCredential(dataFolder, plane.url)
    if (present === null) throw new Error('nothing is stored')
    await writeCredential(dataFolder, { ...present, credential: 'da_other' })
    plane.opens = (authorization) => authorization === bearer('da_other')
    link.cut()

    await plane.link()
    expect(dials(plane)).toEqual([CREDENTIAL, CREDENTIAL, 'da_other'].map(bearer))
  })

  it.each([{ previous: null }, { previous: 'da_old' }])(
    'revoked (4001): it ends with 4 and a sentence, and no join token brings it back ($previous)',
    async ({ previous }) => {
      const plane = await aControlPlane()
      const dataFolder = await stored(plane, { previous })
      const agent = await anAgent(plane, { dataFolder })
      const link = await plane.link()
      plane.opens = () => false
      link.close(4001)

      const { exitCode, sentence } = await agent.ended
      expect(exitCode).toBe(4)
      expect(sentence).toContain("The server revoked this agent's credential")
      expect(plane.joins).toEqual([])
    },
  )
})
