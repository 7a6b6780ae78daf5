import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { aControlPlane, aFolder, anAgent, anUpload, run } from './kit/agents.ts'
import { aModel } from './kit/models.ts'
import { aBox } from './kit/pulls.ts'

async function open(rootFolder: string) {
  const { models, events } = await aBox([], { rootFolder })
  return { models, events: events.map(({ event }) => event) }
}

describe('[A23] only a model whose every byte is right is announced', () => {
  it('a good one is, with what the catalog says', async () => {
    const root = await aFolder()
    await aModel(root)
    const { models } = await open(root)

    expect(models.announced('scripted-ctc', new Set())).toEqual([
      {
        id: 'tiny-en',
        runtime_model_id: 'tiny',
        languages: ['en'],
        word_timestamps: true,
        diarization: false,
        translation: false,
        memory_mib: 64,
        size_bytes: 7,
        embedded: false,
        preferred: false,
        pinned: false,
        loaded: false,
      },
    ])
    expect(models.announced('scripted-ctc', new Set(['tiny-en']))[0]?.loaded).toBe(true)
    expect(models.announced('scripted', new Set())).toEqual([])
    expect(await models.resolve('tiny-en')).toMatchObject({
      ok: true,
      model: { folder: join(root, 'models', 'tiny') },
    })
  })

  it.each([
    { what: 'one wrong byte', content: 'weightz', event: 'model.corrupt' },
    { what: 'one byte more', content: 'weights!', event: 'model.corrupt' },
  ])('$what: it is not', async ({ content, event }) => {
    const root = await aFolder()
    const path = await aModel(root)
    await writeFile(path, content)
    const { models, events } = await open(root)

    expect(models.announced('scripted-ctc', new Set())).toEqual([])
    expect(events).toEqual([event])
    expect(await models.resolve('tiny-en')).toMatchObject({ ok: false, error: { code: 'model_missing' } })
  })

  it('a byte that changes later is seen at the next use', async () => {
    const root = await aFolder()
    const path = await aModel(root)
    const { models } = await open(root)
    await writeFile(path, 'weightz')
    await utimes(path, 1, 1)

    expect(await models.resolve('tiny-en')).toMatchObject({
      ok: false,
      error: { code: 'model_corrupt', retryable: true },
    })
  })

  it('a catalog file that is none costs only itself', async () => {
    const root = await aFolder()
    await aModel(root)
    await writeFile(join(root, 'models', 'broken.yaml'), 'id: [')
    await writeFile(join(root, 'models', 'outside.yaml'), 'id: x\nsource: {kind: bundled, path: ../..}')
    const { models, events } = await open(root)

    expect(events).toEqual(['model.unreadable', 'model.unreadable'])
    expect(models.announced('scripted-ctc', new Set())).toHaveLength(1)
  })

  it('no catalog is no model', async () => {
    const { models } = await open(await aFolder())
    expect(models.announced('scripted-ctc', new Set())).toEqual([])
  })
})

describe('[A23] the server hears which models lie in memory', () => {
  it('after the load, and when the child is gone', async () => {
    const plane = await aControlPlane()
    const rootFolder = await aFolder()
    await aModel(rootFolder)
    await anAgent(plane, { rootFolder })
    const link = await plane.link()
    const inputs = [
      { ...anUpload(plane), name: 'audio.s16' },
      { ...anUpload(plane), name: 'speech.jsonl' },
    ]
    const loaded = (flag: boolean) =>
      link.next('agent.status', (status) => status.engines.some((one) => one.models[0]?.loaded === flag))

    const first = await run(plane, link, { stage: 'transcribe', modelId: 'tiny-en', inputs })
    await loaded(true)
    await link.next('task.result')
    link.send({ type: 'task.ack', ...first, answer: 'accepted' })
    await run(plane, link, { stage: 'transcribe', modelId: 'tiny-en', inputs, script: 'crash' })
    await loaded(false)
  })
})
