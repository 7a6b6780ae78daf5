import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readHostSettings, settingVariables } from '#host/settings.ts'
import { DEFAULT_SETTINGS, parseSettings, SETTINGS } from '#protocol/settings.ts'
import { Sandbox } from './kit/hosts.ts'

const sandbox = new Sandbox()
afterAll(() => sandbox.close())

/** A data folder of its own with this file. */
function dataFolder(name: string, file: string): string {
  mkdirSync(sandbox.folder(name))
  writeFileSync(join(sandbox.folder(name), 'settings.yaml'), file)
  return sandbox.folder(name)
}

test('[SET6] without a file all is by default; the file is over the defaults, the environment over the file', () => {
  expect(readHostSettings(sandbox.folder('nowhere'), {}).settings).toEqual(DEFAULT_SETTINGS)
  const data = dataFolder(
    'layers',
    'lease_seconds: 60\noffer_seconds: 2.5\nmax_retries:\n# aging_seconds: 1\n',
  )
  const { settings, sourceOf } = readHostSettings(data, { DALSTON_LEASE_SECONDS: '90' })
  expect(settings).toEqual({ ...DEFAULT_SETTINGS, lease_seconds: 90, offer_seconds: 2.5 })
  const sources = (['lease_seconds', 'offer_seconds', 'max_retries', 'aging_seconds'] as const).map(sourceOf)
  expect(sources).toEqual(['environment', 'file', 'default', 'default'])
})

test('[SET6] every setting becomes a variable of the Worker, which reads the same from it', () => {
  const { settings } = readHostSettings(sandbox.folder('nowhere'), { DALSTON_MAX_RETRIES: '0' })
  const variables = settingVariables(settings)
  expect(Object.keys(variables)).toEqual(SETTINGS.map(({ variable }) => variable))
  expect(parseSettings(variables)).toEqual({ ok: true, settings })
})

test.each([
  [
    'typo',
    'lease_second: 60',
    /^lease_second in \S+settings\.yaml: there is no such setting, the nearest is lease_seconds; /,
  ],
  [
    'value',
    'lease_seconds: 60s',
    /^lease_seconds in \S+settings\.yaml: expected 0\.1 to 3600 seconds, got "60s"; /,
  ],
  [
    'broken',
    'a: [1\nb: 2',
    /settings\.yaml is no YAML: .* at line 2, column 1; correct the file, or remove it\.$/,
  ],
  [
    'twice',
    'lease_seconds: 60\nlease_seconds: 90',
    /is no YAML: Map keys must be unique at line 2, column 1; /,
  ],
  ['list', '- lease_seconds', /settings\.yaml: expected lines such as `lease_seconds: 60`, one a setting; /],
])('[SET7] a file with a fault (%s) is a sentence', (name, file, sentence) => {
  const read = () => readHostSettings(dataFolder(name, file), {})
  expect(read).toThrow(expect.objectContaining({ problems: [expect.stringMatching(sentence)] }))
})

test('[SET7] a file that cannot be read is a sentence', () => {
  mkdirSync(join(sandbox.folder('folder'), 'settings.yaml'), { recursive: true })
  expect(() => readHostSettings(sandbox.folder('folder'), {})).toThrow(
    /settings\.yaml cannot be read \(EISDIR\); make it readable, or remove it\.$/,
  )
})

test('[SET8] a server whose settings cannot be used makes and starts nothing', async () => {
  const data = dataFolder('refused', 'lease_second: 60\noffer_seconds: soon\n')
  const starts = [
    sandbox.start({ data: 'refused' }),
    sandbox.start({ data: 'new' }, { DALSTON_LEASE_SECONDS: '1' }),
  ]
  const [both, one] = await Promise.all(starts.map((start) => start.said()))
  expect(both?.error?.split('\n')).toHaveLength(3)
  expect(one?.error).toContain('DALSTON_LEASE_SECONDS: expected more than 3 × lease_extend_seconds (7.5)')
  expect([both?.expected, one?.expected]).toEqual([true, true])
  await Promise.all(starts.map((start) => start.exit))
  expect(readdirSync(data)).toEqual(['settings.yaml'])
  expect(existsSync(sandbox.folder('new'))).toBe(false)
})

test('[SET6] the running Worker has the values', async () => {
  dataFolder('running', 'lease_seconds: 60\noffer_seconds: 2.5\n')
  const host = sandbox.start({ data: 'running' }, { DALSTON_LEASE_SECONDS: '90' })
  const { address, apiKey } = await host.said()
  const response = await fetch(`${address}/variables`, { headers: { authorization: `Bearer ${apiKey}` } })
  expect(await response.json()).toMatchObject({
    DALSTON_LEASE_SECONDS: '90',
    DALSTON_OFFER_SECONDS: '2.5',
    DALSTON_MAX_RETRIES: '',
    DALSTON_UNAVAILABLE_BEHAVIOR: 'fail',
  })
  expect(await host.end('SIGTERM')).toBe(0)
})
