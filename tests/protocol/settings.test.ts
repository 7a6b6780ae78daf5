import { expect, test } from 'vitest'
import { SETTING_PAIRS } from '#protocol/setting-fields.ts'
import { DEFAULT_SETTINGS, parseSettings, readSettings, SETTINGS, Settings } from '#protocol/settings.ts'

function problemsOf(variables: Record<string, string>): readonly string[] {
  const read = parseSettings(variables)
  return read.ok ? [] : read.problems
}

test('[SET1] every setting has a default inside its range, a unit in its name, a range and a sentence', () => {
  expect(SETTINGS).toHaveLength(24)
  expect(SETTINGS.map(({ name }) => name)).toEqual(Object.keys(DEFAULT_SETTINGS))
  expect(Settings.parse(DEFAULT_SETTINGS)).toEqual(DEFAULT_SETTINGS)
  for (const { name, range, sentence } of SETTINGS) {
    expect(name.endsWith('_seconds'), name).toBe(range.endsWith(' seconds'))
    expect(sentence, name).toMatch(/^[A-Z].*\.$/)
  }
})

test('[SET2] a variable sets one, empty ones and others say nothing, seconds may be fractions', () => {
  expect(parseSettings({})).toEqual({ ok: true, settings: DEFAULT_SETTINGS })
  const variables = {
    DALSTON_HEARTBEAT_SECONDS: ' 0.2 ',
    DALSTON_MAX_RETRIES: '0',
    DALSTON_ENGINE_PREFERENCE: 'modular',
    DALSTON_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    DALSTON_UNAVAILABLE_BEHAVIOR: '',
    DALSTON_DATA: '/data',
    DALSTON_LEASE_SECOND: '1',
  }
  const settings = {
    ...DEFAULT_SETTINGS,
    heartbeat_seconds: 0.2,
    max_retries: 0,
    engine_preference: 'modular',
    otlp_endpoint: 'http://127.0.0.1:4318',
  }
  expect(parseSettings(variables)).toEqual({ ok: true, settings })
})

test.each([
  [
    'DALSTON_LEASE_SECONDS',
    'abc',
    'expected 0.1 to 3600 seconds, got "abc"; correct it, or leave it out for 30.',
  ],
  [
    'DALSTON_LEASE_SECONDS',
    '1e2',
    'expected 0.1 to 3600 seconds, got "1e2"; correct it, or leave it out for 30.',
  ],
  [
    'DALSTON_AGING_SECONDS',
    '-3',
    'expected 0.1 to 86400 seconds, got "-3"; correct it, or leave it out for 600.',
  ],
  [
    'DALSTON_RUN_LIMIT_FACTOR',
    '0',
    'expected 0.1 to 1000 times, got "0"; correct it, or leave it out for 5.',
  ],
  [
    'DALSTON_MAX_RETRIES',
    '99.5',
    'expected a whole number from 0 to 10, or nothing, got "99.5"; correct it, or leave it out.',
  ],
  [
    'DALSTON_UNAVAILABLE_BEHAVIOR',
    'queue',
    'expected fail or wait, got "queue"; correct it, or leave it out for fail.',
  ],
  [
    'DALSTON_ENGINE_PREFERENCE',
    'A B',
    'expected modular, an engine id such as ctc, or nothing, got "A B"; correct it, or leave it out.',
  ],
  [
    'DALSTON_OTLP_ENDPOINT',
    'ftp://x',
    'expected an http:// or https:// address, or nothing, got "ftp://x"; correct it, or leave it out.',
  ],
])('[SET3] %s=%s: where, what was expected, what came, what to do', (variable, text, sentence) => {
  expect(problemsOf({ [variable]: text })).toEqual([`${variable}: ${sentence}`])
})

test('[SET3] each problem has its own sentence, and no value breaks the line', () => {
  const problems = problemsOf({ DALSTON_OFFER_SECONDS: `1\n${'x'.repeat(500)}`, DALSTON_MAX_RETRIES: '11' })
  expect(problems).toHaveLength(2)
  expect(problems.join('')).not.toContain('\n')
  expect(problems[0]?.length).toBeLessThan(250)
})

test.each([
  [
    { DALSTON_LEASE_SECONDS: '22.5' },
    'DALSTON_LEASE_SECONDS: expected more than 3 × lease_extend_seconds (7.5)',
  ],
  [{ DALSTON_OFFER_SECONDS: '30' }, 'lease_seconds (by default): expected more than offer_seconds (30)'],
  [
    { DALSTON_SUSPECT_SECONDS: '19' },
    'DALSTON_SUSPECT_SECONDS: expected at least 2 × heartbeat_seconds (10)',
  ],
  [{ DALSTON_OFFLINE_SECONDS: '29' }, 'DALSTON_OFFLINE_SECONDS: expected at least suspect_seconds (30)'],
  [
    { DALSTON_RETRY_DELAY_SECONDS: '61' },
    'retry_delay_max_seconds (by default): expected at least retry_delay_seconds (61)',
  ],
  [
    { DALSTON_JOB_LIMIT_SECONDS: '599' },
    'DALSTON_JOB_LIMIT_SECONDS: expected at least run_limit_floor_seconds (600)',
  ],
])('[SET4] %j is refused beside what else is set', (variables, sentence) => {
  const problems = problemsOf(variables)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(`${sentence}, as `)
  expect(problems[0]).toMatch(/, got [\d.]+; change one of the two\.$/)
})

test('[SET4] at the edge of every pair: as much is enough, or one more where it must be more', () => {
  expect(SETTING_PAIRS).toHaveLength(6)
  const edge = { DALSTON_SUSPECT_SECONDS: '20', DALSTON_OFFLINE_SECONDS: '20', DALSTON_LEASE_SECONDS: '22.6' }
  expect(
    problemsOf({ ...edge, DALSTON_JOB_LIMIT_SECONDS: '600', DALSTON_RETRY_DELAY_SECONDS: '60' }),
  ).toEqual([])
})

test.each([
  ['lease_second', 'lease_seconds'],
  ['leaseExtendSeconds', 'lease_extend_seconds'],
  ['max-retries', 'max_retries'],
  ['DALSTON_OFFER_SECONDS', 'offer_seconds'],
])('[SET7] %s is no setting, %s is the nearest', (name, known) => {
  expect(readSettings({ [name]: { value: 1, where: `${name} in settings.yaml` } })).toEqual({
    ok: false,
    problems: [
      `${name} in settings.yaml: there is no such setting, the nearest is ${known}; correct the name, or remove the line.`,
    ],
  })
})
