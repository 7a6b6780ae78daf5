import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FakeHub } from '#tests/kit/fake-hub.ts'
import { aFleet } from './kit/a-fleet.ts'
import { CTC, toneHub } from './kit/tone-hub.ts'

const its = aFleet()
let hub: FakeHub
/** An entry of one's own goes along with each order. */
let place: readonly string[]

beforeAll(async () => {
  hub = await toneHub()
  const engines = { listPath: its.fleet.path('engines.mjs') }
  writeFileSync(engines.listPath, TWO_ENGINES)
  const flags = ['--hub', hub.url]
  const [office] = await Promise.all([
    its.fleet.box('office', { engines, flags }),
    its.fleet.box('rack', { engines, flags: [...flags, '--label', 'gpu', '--keep-alive', '0'] }),
    its.fleet.box('full', { engines, flags: [...flags, '--label', 'attic', '--models-limit-gib', '0'] }),
  ])
  place = ['--agent-data', office.dataPath]
  await its.fleet.dalston('models', 'add', `hf:tones/${CTC.name}`, '--hub', hub.url, ...place)
})
afterAll(() => hub.stop())

describe('[E2E29] several agents', () => {
  it('a label means those that have it', async () => {
    expect(await dalston('pull', '--label', 'gpu')).toMatchObject({ code: 0 })
    expect(await agents()).toEqual(['rack'])
    expect(await transcribed()).toBe(CTC.text)
    const { code, err } = await dalston('pull', '--label', 'moon')
    expect([code, err]).toEqual([1, expect.stringContaining('No agent of this pool has the label "moon"')])
  })

  it('the fleet means all; each fails by itself, and says why', async () => {
    const { code, err } = await dalston('pull')
    expect(code).toBe(1)
    expect(err).toMatch(/^office {2}completed$/m)
    expect(err).toMatch(/^rack {2}completed$/m)
    expect(err).toMatch(/^full {2}failed: wav2vec2-tones needs 1 MiB .* of the 0 MiB that they may/m)
    expect(await agents()).toEqual(['office', 'rack'])
  })

  it('a name means one; what is removed there stays elsewhere, and a pin holds it', async () => {
    expect(await dalston('pin', '--agent', 'rack')).toMatchObject({ code: 0 })
    const { code, err } = await dalston('rm')
    expect([code, err]).toEqual([1, expect.stringContaining('rack  failed: wav2vec2-tones is pinned')])
    expect(await agents()).toEqual(['rack'])
    expect(await dalston('unpin', '--agent', 'rack')).toMatchObject({ code: 0 })
    expect(await transcribed()).toBe(CTC.text)
  })
})

const TWO_ENGINES = `import { ENGINES as ALL } from ${JSON.stringify(new URL('../../engines/list.ts', import.meta.url).href)}
export const ENGINES = ALL.filter(({ manifest }) => ['prepare', 'ctc'].includes(manifest.id))
`

function dalston(verb: string, ...where: string[]) {
  return its.fleet.dalston('models', verb, CTC.name, ...where, ...place)
}

/** Who has it on disk. */
async function agents(): Promise<string[] | undefined> {
  const [, names] = /^on disk +(.*)$/m.exec((await dalston('show')).out) ?? []
  return names?.split(', ').sort()
}

async function transcribed(): Promise<string | null | undefined> {
  const { id } = await its.fleet.submitSound([CTC.sound], { model: CTC.name })
  return (await its.fleet.ended(id)).text
}
