import { totalmem } from 'node:os'
import { describe, expect, it } from 'vitest'
import { intervalsFault, parseConfig, UsageError } from '#agent/config.ts'

const SERVER = ['--server', 'http://127.0.0.1:8787/']

describe('[A26] the command line is parsed once', () => {
  it('flags, environment and defaults', () => {
    expect(
      parseConfig([...SERVER, '--slots', '2', '--drain-timeout', '90', '--data', '/data'], {}),
    ).toMatchObject({
      server: 'http://127.0.0.1:8787',
      joinToken: null,
      dataFolder: '/data',
      slots: 2,
      drainTimeoutMs: 90_000,
      partSizeBytes: 33_554_432,
      timing: { handshakeMs: 10_000, abortGraceMs: 2_000 },
    })
    expect(parseConfig(SERVER, {})).toMatchObject({ enginesPath: null, enginesOnly: false })
    const env = { DALSTON_SERVER: 'https://speech.example', DALSTON_JOIN_TOKEN: 'dj_x' }
    expect(parseConfig([], env)).toMatchObject({ server: 'https://speech.example', joinToken: 'dj_x' })
  })

  it('[A30] memory for engines: as given, else four fifths of what there is', () => {
    const most = totalmem() / 1024 ** 2
    expect(parseConfig([...SERVER, '--memory-mib', '2000000'], {}).memoryMib).toBe(2_000_000)
    const { memoryMib } = parseConfig(SERVER, {})
    expect(memoryMib).toBeGreaterThan(0)
    expect(memoryMib).toBeLessThanOrEqual(most * 0.8)
  })

  it.each([
    { flags: [], says: '--server: expected the address of a server' },
    { flags: ['--server', 'ftp://box'], says: '--server: expected the address of a server' },
    { flags: [...SERVER, '--slots', 'two'], says: '--slots: expected a whole number, got two' },
    { flags: [...SERVER, '--slots', '0'], says: '--slots: ' },
    { flags: [...SERVER, '--memory-mib', '1'], says: '--memory-mib: ' },
    { flags: [...SERVER, '--log', 'xml'], says: '--log: expected json, got xml' },
    { flags: [...SERVER, '--verbose'], says: "Unknown option '--verbose'" },
    { flags: [...SERVER, 'more'], says: "Unexpected argument 'more'" },
  ])('$flags: $says', ({ flags, says }) => {
    expect(() => parseConfig(flags, {})).toThrow(UsageError)
    expect(() => parseConfig(flags, {})).toThrow(says)
  })
})

it.each([
  { lease_ms: 30_000, lease_extend_ms: 7_500, ok: true },
  { lease_ms: 22_501, lease_extend_ms: 7_500, ok: true },
  { lease_ms: 22_500, lease_extend_ms: 7_500, ok: false },
])('[A26] a lease of $lease_ms extended every $lease_extend_ms is fine: $ok', ({ ok, ...intervals }) => {
  expect(intervalsFault(intervals) === null).toBe(ok)
})
