import { describe, expect, it } from 'vitest'
import { afterClose, afterRejection } from '#agent/close.ts'

describe('[A7] a close code says what follows', () => {
  it.each([
    { code: 4001, after: { kind: 'stop', cause: 'revoked' } },
    { code: 4009, after: { kind: 'stop', cause: 'replaced' } },
    { code: 4011, after: { kind: 'stop', cause: 'upgrade_required' } },
    { code: 4012, after: { kind: 'reconnect', wait: 'none' } },
    { code: 4002, after: { kind: 'reconnect', wait: 'backoff' } },
    { code: 1006, after: { kind: 'reconnect', wait: 'backoff' } },
    { code: 1001, after: { kind: 'reconnect', wait: 'backoff' } },
  ])('$code: $after.kind', ({ code, after }) => {
    expect(afterClose(code)).toMatchObject(after)
  })
})

describe('[A7] so does the status of a refused dial', () => {
  it.each([
    { status: 401, after: { kind: 'stop', cause: 'bad_token' } },
    { status: 403, after: { kind: 'stop', cause: 'bad_token' } },
    { status: 426, after: { kind: 'stop', cause: 'upgrade_required' } },
    { status: 429, after: { kind: 'reconnect', wait: 'backoff', retryAfterMs: 3_000 } },
    { status: 503, after: { kind: 'reconnect', wait: 'backoff', retryAfterMs: 3_000 } },
  ])('$status: $after.kind', ({ status, after }) => {
    expect(afterRejection(status, '3', 0)).toMatchObject(after)
  })
})
