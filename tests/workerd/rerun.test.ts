import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreatedJob } from '#protocol/api.ts'
import type { JobId } from '#protocol/ids.ts'
import { ScriptedAgent } from './kit/agent.ts'
import { call, callJson, problemOf, readJob, submitted, TRANSCRIPTIONS } from './kit/api.ts'
import { eventually } from './kit/eventually.ts'
import { line } from './kit/outcomes.ts'
import { keyOfTenant, objectKeys, type Server, startServer } from './kit/server.ts'

/** Running a job again from a stage, over real D1, R2 and objects. */
let server: Server
let agent: ScriptedAgent
beforeAll(async () => {
  server = await startServer()
  agent = await ScriptedAgent.connect(server, { slots: 1000 })
})
afterAll(async () => {
  await agent.leave()
  await server.close()
})

const path = (id: string, rest: string) => `${TRANSCRIPTIONS}/${id}/${rest}`
const rerun = (id: string, body: unknown) => callJson(server, path(id, 'rerun'), body)

async function ended(id: JobId): Promise<void> {
  await eventually(
    () => readJob(server, id),
    ({ status }) => status === 'completed',
  )
}

async function finished(): Promise<JobId> {
  const { id } = await submitted(server)
  await agent.run(id, 'prepare')
  await agent.run(id, 'transcribe', line(0, 0, 'first words'))
  await ended(id)
  return id
}

describe('POST rerun', () => {
  test('[RR1] begins at the stage with the files of what lies before it; the first job stays as it was', async () => {
    const id = await finished()
    const answer = await rerun(id, { from_stage: 'transcribe', language: 'en', priority: 'high' })
    expect(answer.status).toBe(201)
    const again = CreatedJob.parse(await answer.json())
    expect(answer.headers.get('location')).toBe(`${TRANSCRIPTIONS}/${again.id}`)
    const grant = await agent.run(again.id, 'transcribe', line(0, 0, 'second words'))
    expect(grant.inputs.map(({ name }) => name)).toContain('audio.s16')
    expect(grant.inputs.every(({ key }) => key.startsWith(`jobs/${again.id}/`))).toBe(true)
    await ended(again.id)
    const job = await readJob(server, again.id)
    expect(job).toMatchObject({ text: 'second words', rerun_of: id, language: 'en', priority: 'high' })
    expect((await readJob(server, id)).text).toBe('first words')

    await eventually(
      () => objectKeys(server, `jobs/${again.id}/upload`),
      (keys) => keys.length === 1,
    )
    await call(server, `${TRANSCRIPTIONS}/${id}`, { method: 'DELETE' })
    expect((await readJob(server, again.id)).text).toBe('second words')
  })

  test('[RR1] from prepare everything is done anew', async () => {
    const { id } = CreatedJob.parse(await (await rerun(await finished(), { from_stage: 'prepare' })).json())
    const grant = await agent.run(id, 'prepare')
    expect(grant.inputs).toMatchObject([{ key: `jobs/${id}/upload` }])
    await agent.run(id, 'transcribe', line(0, 0, 'all anew'))
    await ended(id)
  })

  test('[RR4] what cannot be run again is refused with what was expected', async () => {
    const id = await finished()
    const cases = [
      [{}, 400, 'invalid_request'],
      [{ from_stage: 'nonsense' }, 400, 'invalid_request'],
      [{ from_stage: 'transcribe', unknown: 1 }, 400, 'invalid_request'],
      [{ from_stage: 'diarize' }, 422, 'invalid_pipeline'],
      [{ from_stage: 'transcribe', language: 'hr' }, 422, 'no_capable_engine'],
      [
        { from_stage: 'transcribe', pipeline: { stages: { merge: { required: false } } } },
        422,
        'invalid_pipeline',
      ],
    ] as const
    for (const [body, status, code] of cases) {
      const answer = await rerun(id, body)
      expect([answer.status, (await problemOf(answer)).code]).toEqual([status, code])
    }
  })

  test('[RR4] a job that runs is a conflict; a foreign one is not found', async () => {
    const { id } = await submitted(server)
    expect((await rerun(id, { from_stage: 'prepare' })).status).toBe(409)
    const token = await keyOfTenant(server, 'another')
    const foreign = await callJson(server, path(id, 'rerun'), { from_stage: 'prepare' }, { token })
    expect(foreign.status).toBe(404)
    expect((await call(server, path(id, 'trace'), { token })).status).toBe(404)
    await call(server, path(id, 'cancel'), { method: 'POST' })
  })
})
