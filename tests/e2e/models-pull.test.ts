import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OperationId } from '#protocol/ids.ts'
import type { ModelOperationView } from '#protocol/model-order.ts'
import type { FakeHub } from '#tests/kit/fake-hub.ts'
import { aFleet } from './kit/a-fleet.ts'
import { CTC, IN_THE_CATALOG, PARAKEET, toneHub } from './kit/tone-hub.ts'

/** Of real processes on a busy machine. */
const PATIENTLY = { timeout: 30_000 }

let hub: FakeHub
beforeEach(async () => {
  hub = await toneHub()
})
afterEach(() => hub.stop())

describe('[E2E27] an agent that is killed in the middle of a pull', () => {
  const its = aFleet({ DALSTON_OFFLINE_SECONDS: '60' })

  it('goes on where it was when it is started again, and the operation completes', async () => {
    const { fleet } = its
    const box = await fleet.box('box', { engines: 'built-in', flags: ['--hub', hub.url] })
    const big = { path: 'onnx/model.onnx_data', bytes: 5_000_000 }
    hub.put(`tones/${CTC.name}`, big.path, Buffer.alloc(big.bytes, 'ballast'))
    const place = ['--agent-data', box.dataPath]
    await fleet.dalston('models', 'add', `hf:tones/${CTC.name}`, '--hub', hub.url, ...place)

    const sixty = 0.6 * big.bytes
    const never = new Promise(() => {})
    hub.faultOf.set(`tones/${CTC.name}/${big.path}`, { kind: 'drop', afterBytes: sixty, until: never })
    const ordered = await fleet.dalston('models', 'pull', CTC.name, '--no-wait', ...place)
    const id = OperationId.parse(ordered.out.trim())
    const partial = join(box.dataPath, 'models', 'ctc', '.partial')
    await expect.poll(() => bytesIn(partial), PATIENTLY).toBeGreaterThan(sixty)
    await box.kill()
    await expect.poll(() => stateOf(id), PATIENTLY).toMatchObject({ connected: false, state: 'pulling' })
    expect(readdirSync(join(box.dataPath, 'models', 'ctc'))).toEqual(['.partial'])

    await box.start()
    const last = await lastView(id)
    expect(last, JSON.stringify(last)).toMatchObject({ state: 'completed', bytes_done: last.bytes_total })
    const asked = hub.downloads.filter(({ path }) => path.endsWith(big.path))
    expect(asked.map(({ range }) => range)).toEqual([null, `bytes=${sixty}-`])
    const { status, text } = await fleet.ended((await fleet.submitSound([CTC.sound], { model: CTC.name })).id)
    expect([status, text]).toEqual(['completed', CTC.text])
  })

  async function stateOf(id: OperationId) {
    for await (const { agents } of its.fleet.client.watchModelOperation(id)) return agents[0]
    return undefined
  }

  async function lastView(id: OperationId): Promise<ModelOperationView> {
    let last: ModelOperationView | null = null
    for await (const view of its.fleet.client.watchModelOperation(id)) last = view
    if (last === null) throw new Error('expected a view of the operation')
    return last
  }
})

describe('[E2E30] a pull that nobody wants any more', () => {
  const its = aFleet()

  it('is ended by a command on the box that does it, and the next one goes on where it was', async () => {
    const { fleet } = its
    const box = await fleet.box('box', { engines: 'built-in', flags: ['--hub', hub.url] })
    const big = { path: 'onnx/model.onnx_data', bytes: 5_000_000 }
    hub.put(`tones/${CTC.name}`, big.path, Buffer.alloc(big.bytes, 'ballast'))
    const place = ['--agent-data', box.dataPath]
    await fleet.dalston('models', 'add', `hf:tones/${CTC.name}`, '--hub', hub.url, ...place)

    const [half, never] = [big.bytes / 2, new Promise(() => {})]
    hub.faultOf.set(`tones/${CTC.name}/${big.path}`, { kind: 'drop', afterBytes: half, until: never })
    const ordered = await fleet.dalston('models', 'pull', CTC.name, '--no-wait', ...place)
    const partial = join(box.dataPath, 'models', 'ctc', '.partial')
    await expect.poll(() => bytesIn(partial), PATIENTLY).toBeGreaterThan(half)
    const id = ordered.out.trim()
    const cancelled = await fleet.dalston('models', 'cancel', id)
    expect([cancelled.code, cancelled.out.trim()]).toEqual([0, `${id}  cancelled`])

    const again = await fleet.dalston('models', 'pull', CTC.name, ...place)
    expect(again.code, again.err).toBe(0)
    const asked = hub.downloads.filter(({ path }) => path.endsWith(big.path))
    expect(asked.map(({ range }) => range)).toEqual([null, expect.stringMatching(/^bytes=[1-9]\d+-$/)])
  })
})

describe('[E2E28] a job whose model is not there, where models may be pulled for it', () => {
  const its = aFleet({ DALSTON_MODELS_AUTO_PULL: 'on' })
  beforeEach(() => its.fleet.box('puller', { engines: 'built-in', flags: ['--hub', hub.url] }))
  afterEach(() => its.fleet.dismiss())

  it('waits, says that it is pulled and where, and completes', async () => {
    const { fleet } = its
    const gate = Promise.withResolvers<void>()
    hub.faultOf.set(IN_THE_CATALOG.encoder, { kind: 'wait', until: gate.promise })
    const { id } = await fleet.submitSound([PARAKEET.sound], { model: IN_THE_CATALOG.id })
    const waiting = await fleet.when(id, ({ why }) => why?.includes('pulled') === true)
    expect(waiting).toMatchObject({
      status: 'pending',
      why: expect.stringContaining(`the model ${IN_THE_CATALOG.id} is being pulled on agent puller`),
    })
    gate.resolve()
    const job = await fleet.ended(id)
    expect(job).toMatchObject({ status: 'completed', text: PARAKEET.text })
    expect(job.stages[1]).toMatchObject({ engine_id: 'parakeet', model_id: IN_THE_CATALOG.id })
  })

  it('fails with what the hub said', async () => {
    const { fleet } = its
    const { id } = await fleet.submitSound([CTC.sound], { model: 'wav2vec2-base-960h' })
    const { status, error } = await fleet.ended(id)
    expect([status, error?.code]).toEqual(['failed', 'hub_not_found'])
    expect(error?.message).toMatch(/wav2vec2-base-960h could not be pulled: .* has no .* in Xenova\//)
  })
})

/** Of all files below a folder; none where there is no such folder. */
function bytesIn(folder: string): number {
  try {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  } catch {
    return 0 // ENOENT: it is about to come, or a file of it just went to its place
  }
}
