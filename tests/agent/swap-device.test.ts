import { describe, expect, it } from 'vitest'
import { parseConfig, UsageError } from '#agent/config.ts'
import { candidates, chooseDevice } from '#agent/device-probe.ts'
import { aControlPlane, anAgent } from './kit/agents.ts'

const SERVER = ['--server', 'http://127.0.0.1:8787']

describe('[SW11] what models run on', () => {
  it.each([
    { asked: 'auto', gpu: false, tried: ['cpu'] },
    { asked: 'auto', gpu: true, tried: ['cuda', 'webgpu', 'cpu'] },
    { asked: 'cpu', gpu: true, tried: ['cpu'] },
    { asked: 'cuda', gpu: false, tried: ['cuda', 'cpu'] },
  ] as const)('$asked, a GPU there: $gpu: tries $tried', ({ asked, gpu, tried }) => {
    expect(candidates(asked, gpu)).toEqual(tried)
  })

  it('what works is taken; the log says why the others were not', async () => {
    const lines: object[] = []
    const log = (event: string, fields: object = {}) => lines.push({ event, ...fields })
    const probe = (device: string) => Promise.resolve(device === 'webgpu' ? null : 'no driver')

    expect(await chooseDevice('webgpu', log, probe)).toEqual({ name: 'webgpu', label: 'webgpu' })
    expect(await chooseDevice('cuda', log, probe)).toEqual({ name: 'cpu', label: 'cpu (cuda: no driver)' })
    expect(lines).toContainEqual({
      event: 'device.probed',
      device: 'cuda',
      works: false,
      reason: 'no driver',
    })
  })

  it('a reason of any length fits the announcement', async () => {
    const { label } = await chooseDevice(
      'cuda',
      () => {},
      async () => 'x\n'.repeat(1_000),
    )
    expect(label).toHaveLength(100)
  })

  it('an agent is asked for a device, proves in another process what is there, and announces it', async () => {
    const plane = await aControlPlane()
    const agent = await anAgent(plane, { device: 'cuda' })
    const { engines } = await (await plane.link()).hello
    const { works } = await agent.lines.take('probe', (line) => line.event === 'device.probed')

    for (const { device } of engines) expect(device).toMatch(works === true ? /^cuda$/ : /^cpu \(cuda: /)
  })
})

describe('[SW12] the command line', () => {
  it.each([
    { flags: [], parsed: { keepAliveSeconds: 300, vramMib: null, device: 'auto' } },
    { flags: ['--keep-alive', '0'], parsed: { keepAliveSeconds: 0 } },
    { flags: ['--keep-alive', 'forever'], parsed: { keepAliveSeconds: null } },
    { flags: ['--keep-alive=-1'], parsed: { keepAliveSeconds: null } },
    { flags: ['--vram-mib', '8000', '--device', 'cuda'], parsed: { vramMib: 8_000, device: 'cuda' } },
  ])('$flags', ({ flags, parsed }) => {
    expect(parseConfig([...SERVER, ...flags], {})).toMatchObject(parsed)
  })

  it.each([
    { flags: ['--keep-alive', 'soon'], says: '--keep-alive: expected a whole number, got soon' },
    { flags: ['--device', 'tpu'], says: '--device: ' },
    { flags: ['--vram-mib', '1'], says: '--vram-mib: ' },
  ])('$flags is refused', ({ flags, says }) => {
    expect(() => parseConfig([...SERVER, ...flags], {})).toThrow(UsageError)
    expect(() => parseConfig([...SERVER, ...flags], {})).toThrow(says)
  })
})
