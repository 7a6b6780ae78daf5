import { expect, test } from 'vitest'
import { byteRange } from '#control-plane/http/byte-range.ts'

test.each([
  ['bytes=0-0', 10, { offset: 0, length: 1 }],
  ['bytes=0-', 10, { offset: 0, length: 10 }],
  ['bytes=9-9999999999', 10, { offset: 9, length: 1 }],
  ['bytes=-1', 10, { offset: 9, length: 1 }],
  ['bytes=-11', 10, { offset: 0, length: 10 }],
  ['bytes=3-2', 10, null],
  ['bytes=0-1, 2-3', 10, null],
  ['bytes=', 10, null],
  ['seconds=1-2', 10, null],
  [null, 10, null],
])('[P61] %s of %i bytes', (header, size, expected) => {
  expect(byteRange(header, size)).toEqual(expected)
})

test.each([
  ['bytes=10-', 10],
  ['bytes=0-', 0],
  ['bytes=-0', 10],
  ['bytes=-5', 0],
])('[P61] %s of %i bytes is outside', (header, size) => {
  expect(() => byteRange(header, size)).toThrow('outside')
})
