import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobDocument } from '#protocol/api.ts'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import type { FakeHub } from '#tests/kit/fake-hub.ts'
import { aFleet } from './kit/a-fleet.ts'
import type { Box } from './kit/box.ts'
import { CTC, PARAKEET, type ToneCase, toneHub, WHISPER } from './kit/tone-hub.ts'

const its = aFleet()
let hub: FakeHub
let box: Box
beforeAll(async () => {
  hub = await toneHub()
  box = await its.fleet.box('box', { engines: 'built-in', flags: ['--hub', hub.url] })
})
afterAll(() => hub.stop())

describe('[E2E23] a model of a hub: added, pulled, used', () => {
  it.each([CTC, PARAKEET, WHISPER])('$engine hears the words and their times exactly', async (tones) => {
    expect(await dalston('add', `hf:tones/${tones.name}`, '--hub', hub.url)).toMatchObject({ code: 0 })
    expect((await dalston('ls')).out).toMatch(new RegExp(`${tones.name} +${tones.engine} .* not pulled `))
    const pulled = await dalston('pull', tones.name)
    expect(pulled.err).toMatch(/^box {2}completed$/m)
    expect(pulled.code).toBe(0)
    expect((await dalston('show', tones.name)).out).toMatch(/on disk +box/)
    await expectWords(tones)
    expect((await dalston('ps')).out).toMatch(new RegExp(`${tones.name} +box +${tones.engine} +cpu`))
  })
})

describe('a model that is there', () => {
  it('[E2E24] is not removed while a job runs with it', async () => {
    const enginePid = box.enginePid('ctc')
    process.kill(enginePid, 'SIGSTOP')
    const { id } = await submit(CTC)
    await its.fleet.when(id, ({ stages }) => stages[1]?.status === 'running')
    const refused = await dalston('rm', CTC.name)
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('is in use; try again') })
    process.kill(enginePid, 'SIGCONT')
    expect(await its.fleet.ended(id)).toMatchObject({ status: 'completed', text: CTC.text })
    expect(await dalston('rm', CTC.name)).toMatchObject({ code: 0 })
    expect((await dalston('ls')).out).toMatch(new RegExp(`${CTC.name} .* not pulled `))
    await expect
      .poll(async () => box.log)
      .toMatch(/"model\.unloaded","model_id":"wav2vec2-tones","why":"replaced"/)
  })

  it('[E2E25] was brought in a folder: no network is asked', async () => {
    const asked = hub.requests.length
    const imported = await dalston('import', CTC.name, writeHubModel(its.fleet.path('brought')))
    expect(imported).toMatchObject({ code: 0, out: `${CTC.name}\n` })
    const list = async () => (await dalston('ls')).out
    await expect.poll(list, { timeout: 30_000 }).toMatch(new RegExp(`${CTC.name} .* on 1 agent `))
    await expectWords(CTC)
    expect(hub.requests.length).toBe(asked)
  })

  it('[E2E26] has a wrong byte on the disk: the job says so, it is gone, and a pull mends it', async () => {
    const path = join(box.dataPath, 'models', 'ctc', CTC.name, 'onnx', 'model.onnx')
    const bytes = readFileSync(path)
    bytes[5000] = (bytes[5000] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const { id } = await submit(CTC)
    const { status, error } = await its.fleet.ended(id)
    expect(status).toBe('failed')
    expect(error).toMatchObject({ code: 'no_capable_engine', stage: 'transcribe' })
    expect(error?.message).toContain(`No agent has the model ${CTC.name} any more`)
    expect(error?.message).toContain(`dalston models pull ${CTC.name}`)
    expect(box.log).toMatch(/"model\.corrupt".*onnx\/model\.onnx: expected sha256/)
    expect((await dalston('ls')).out).toMatch(new RegExp(`${CTC.name} .* not pulled `))
    expect(await dalston('pull', CTC.name)).toMatchObject({ code: 0 })
    await expectWords(CTC)
  })
})

/** With the entries of the box, as on the machine where both are. */
function dalston(verb: string, ...parameters: string[]) {
  const place = verb === 'ps' ? [] : ['--agent-data', box.dataPath]
  return its.fleet.dalston('models', verb, ...parameters, ...place)
}

function submit({ name, sound }: ToneCase) {
  return its.fleet.submitSound([sound], { model: name, timestamps_granularity: 'word' })
}

async function expectWords(tones: ToneCase): Promise<void> {
  const job: JobDocument = await its.fleet.ended((await submit(tones)).id)
  expect(job.text, JSON.stringify(job.error)).toBe(tones.text)
  expect(job.stages[1]).toMatchObject({ engine_id: tones.engine, model_id: tones.name })
  const words = job.words ?? []
  expect(words.map(({ text }) => text)).toEqual(tones.text.split(' '))
  for (const [index, [start, end]] of tones.times.entries()) {
    const heard = `${words[index]?.text} ${words[index]?.start}-${words[index]?.end}, said ${start}-${end}`
    expect(Math.abs((words[index]?.start ?? 0) - start), heard).toBeLessThan(tones.withinSeconds)
    expect(Math.abs((words[index]?.end ?? 0) - end), heard).toBeLessThan(tones.withinSeconds)
  }
}
