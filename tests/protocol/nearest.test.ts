import { expect, test } from 'vitest'
import { similar } from '#protocol/nearest.ts'

const MODELS = ['embedded-en', 'mms-1b-all', 'whisper-base', 'whisper-large-v3-turbo']

test.each([
  ['wisper-base', 'whisper-base'],
  ['whisper-bas', 'whisper-base'],
  ['turbo', 'whisper-large-v3-turbo'],
  ['nothing', undefined],
  ['a', undefined],
])('[MO9] for %s that is %s', (name, meant) => {
  expect(similar(name, MODELS)).toBe(meant)
})

test('[MO9] of no models none is alike', () => {
  expect(similar('whisper', [])).toBeUndefined()
})
