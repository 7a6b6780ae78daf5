import { expect, test } from 'vitest'
import { type Bindings, parseBindings, settingsOf } from '#control-plane/env.ts'
import { DEFAULT_SETTINGS } from '#protocol/settings.ts'

/** A Worker's bindings as far as the settings and secrets go; what they bind otherwise nobody touches here. */
function aWorker(variables: object = {}): Bindings {
  return { ADMIN_KEY: 'dk_x', TOKEN_SECRET: 'x'.repeat(32), ...variables } as Bindings
}

test('[SET5] the Worker parses its variables once; none at all are the defaults', () => {
  expect(settingsOf(aWorker())).toEqual(DEFAULT_SETTINGS)
  // Without quotes in wrangler.toml a number comes as a number.
  const worker = aWorker({ DALSTON_LEASE_SECONDS: 60, DALSTON_MAX_RETRIES: '2' })
  expect(settingsOf(worker)).toMatchObject({ lease_seconds: 60, max_retries: 2 })
  expect(settingsOf(worker)).toBe(settingsOf(worker))
})

test('[SET5] values that cannot be used are one error that names them all, on the first request', () => {
  const worker = aWorker({ DALSTON_LEASE_SECONDS: 'long', DALSTON_MAX_RETRIES: '-1' })
  const named = /^The settings are not right\. DALSTON_LEASE_SECONDS: .*30\. DALSTON_MAX_RETRIES: .*\.$/
  expect(() => settingsOf(worker)).toThrow(named)
  expect(() => parseBindings(worker)).toThrow(named)
})
