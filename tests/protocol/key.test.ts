import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { KEY_PREFIXES, KEY_RANDOM_BYTES, keyPrefix, newKey } from '#protocol/key.ts'

const bytes = Uint8Array.from({ length: KEY_RANDOM_BYTES }, (_, index) => index * 11)

test.each(KEY_PREFIXES)('[K1] a new %s key has its prefix, 27 random and 6 checksum characters', (prefix) => {
  const key = newKey(prefix, bytes)
  expect(key).toMatch(new RegExp(`^${prefix}_[0-9A-Za-z]{33}$`))
  expect(keyPrefix(key)).toBe(prefix)
})

test('[K2] the checksum is the CRC-32 of what stands before it, in base 62', () => {
  const key = newKey('dk', bytes)
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const value = [...key.slice(-6)].reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0)
  expect(value).toBe(crc32(key.slice(0, -6)))
})

test('[K3] any one changed character is noticed', () => {
  const key = newKey('da', bytes)
  for (let index = 0; index < key.length; index++) {
    const changed = `${key.slice(0, index)}${key[index] === 'x' ? 'y' : 'x'}${key.slice(index + 1)}`
    expect(keyPrefix(changed), changed).toBeNull()
  }
})

test.each([
  '',
  'dk_',
  'dx_000000000000000000000000000000000',
  `${newKey('dk', bytes)}0`,
  ` ${newKey('dk', bytes)}`,
])('[K3] %j is no key', (text) => {
  expect(keyPrefix(text)).toBeNull()
})

test('[K1] all bits count: extreme random bytes give different keys of one length', () => {
  const low = newKey('dk', new Uint8Array(KEY_RANDOM_BYTES))
  const high = newKey('dk', new Uint8Array(KEY_RANDOM_BYTES).fill(255))
  expect(low).toHaveLength(high.length)
  expect(high).not.toBe(low)
  expect(() => newKey('dk', new Uint8Array(19))).toThrow('expected 20 random bytes, got 19')
})
