import { existsSync, mkdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_SETTINGS } from '#protocol/settings.ts'
import { Terminal } from './kit/terminal.ts'

let terminal: Terminal
beforeEach(() => {
  terminal = new Terminal({ DALSTON_OFFER_SECONDS: '4' })
  mkdirSync(terminal.file('data'))
})
afterEach(() => terminal.close())

test('[SET9] settings are a table with value, source, range and sentence', async () => {
  terminal.write('data/settings.yaml', 'lease_seconds: 60\n')
  expect(await terminal.dalston('settings')).toBe(0)
  const lines = terminal.out.trimEnd().split('\n')
  expect(lines).toHaveLength(1 + Object.keys(DEFAULT_SETTINGS).length)
  expect(lines[0]).toMatch(/^SETTING +VALUE +FROM +RANGE +WHAT IT DOES$/)
  expect(terminal.out).toMatch(/^lease_seconds +60 +file +0\.1 to 3600 seconds +How long an agent keeps/m)
  expect(terminal.out).toMatch(/^offer_seconds +4 +environment +0\.05 to 300 seconds +How long an agent may/m)
  expect(terminal.out).toMatch(/^start_seconds +15 +default /m)
  expect(terminal.err).toBe(`the file is ${terminal.file('data')}/settings.yaml\n`)
})

test('[SET9] or one JSON value, of the folder that was named', async () => {
  mkdirSync(terminal.file('other'))
  terminal.write('other/settings.yaml', 'max_retries: 0\n')
  expect(await terminal.dalston('settings', '--json', '--data', terminal.file('other'))).toBe(0)
  expect(JSON.parse(terminal.out)).toContainEqual({
    name: 'max_retries',
    value: 0,
    source: 'file',
    default: null,
    range: 'a whole number from 0 to 10, or nothing',
    variable: 'DALSTON_MAX_RETRIES',
    sentence: 'How often any stage is run again; empty: as often as suits each stage.',
  })
})

test.each([['settings'], ['serve']])(
  '[SET8] %s with a typo in the file: exit 2, the sentence, nothing started',
  async (command) => {
    terminal.write('data/settings.yaml', 'lease_second: 60\n')
    expect(await terminal.dalston(command)).toBe(2)
    expect(terminal.out).toBe('')
    expect(terminal.err).toBe(
      `dalston: The settings cannot be used:\n  lease_second in ${terminal.file('data')}/settings.yaml: ` +
        'there is no such setting, the nearest is lease_seconds; correct the name, or remove the line.\n',
    )
    expect(existsSync(terminal.file('data/server.lock'))).toBe(false)
  },
)
