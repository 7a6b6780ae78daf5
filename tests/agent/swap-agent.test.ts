import { describe, expect, it } from 'vitest'
import { EngineId, ModelId } from '#protocol/ids.ts'
import {
  aControlPlane,
  aFolder,
  aGate,
  aGrant,
  aGranted,
  anAgent,
  anOffer,
  anUpload,
  pidsOf,
  run,
} from './kit/agents.ts'
import type { Link } from './kit/control-plane.ts'
import { aModel } from './kit/models.ts'

describe('a model comes and goes', () => {
  it('[SW6] [SW7] whoever watches sees it load, the server hears what it takes, and that it is gone', async () => {
    const plane = await aControlPlane()
    const rootFolder = await aFolder()
    await aModel(rootFolder)
    await anAgent(plane, { rootFolder, keepAliveSeconds: 0 })
    const link = await plane.link()
    const { engines } = await link.hello
    expect(engines.flatMap((engine) => engine.models)).toMatchObject([{ memory_mib: 64, loaded: false }])
    const inputs = audioOf(plane)
    await run(plane, link, { stage: 'transcribe', modelId: 'tiny-en', inputs })

    const first = await link.next('task.progress')
    expect(first.progress).toEqual({ percent: null, message: 'loading the model tiny-en' })
    // A model of nothing takes next to nothing: the guess of the catalog is gone.
    const loaded = await nextStatus(link)
    expect(loaded).toMatchObject([{ loaded: true }])
    expect(loaded[0]?.memory_mib).not.toBe(64)
    const { outcome } = await link.next('task.result')
    expect(outcome).toMatchObject({ status: 'completed', metrics: { swap_ms: 0 } })
    expect(await nextStatus(link)).toMatchObject([{ loaded: false, memory_mib: loaded[0]?.memory_mib }])
  })

  it('[SW5] the model of the next stage is loaded while prepare runs', async () => {
    const plane = await aControlPlane()
    const rootFolder = await aFolder()
    await aModel(rootFolder)
    const agent = await anAgent(plane, { rootFolder, keepAliveSeconds: 0 })
    const link = await plane.link()
    const gate = await aGate()
    const grant = aGrant()
    link.send(anOffer(grant))
    await link.next('task.accept')
    const prefetch = { engine_id: EngineId.parse('scripted-ctc'), model_id: ModelId.parse('tiny-en') }
    link.send({ ...aGranted(grant, { script: gate.script, inputs: [anUpload(plane)] }), prefetch })
    expect(await nextStatus(link)).toMatchObject([{ loaded: true }])
    await gate.open()
    await link.next('task.result')

    await run(plane, link, { stage: 'transcribe', modelId: 'tiny-en', inputs: audioOf(plane) })
    expect((await link.next('task.result')).outcome).toMatchObject({ metrics: { load_ms: 0, swap_ms: 0 } })
    expect(pidsOf(agent)).toHaveLength(2)
  })
})

type Plane = Awaited<ReturnType<typeof aControlPlane>>

function audioOf(plane: Plane) {
  return ['audio.s16', 'speech.jsonl'].map((name) => ({ ...anUpload(plane, Buffer.alloc(320)), name }))
}

async function nextStatus(link: Link) {
  return (await link.next('agent.status')).engines.flatMap((engine) => engine.models)
}
