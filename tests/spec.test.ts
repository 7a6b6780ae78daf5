import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const RULE = '[A-Z][A-Z0-9]*\\d+'
const specification = readFileSync('SPEC.md', 'utf8')
const rules = [...specification.matchAll(new RegExp(`\\*\\*(${RULE})\\*\\*`, 'g'))].map((match) => match[1])
const quoted = new Set(
  globSync('tests/**/*.test.ts', { exclude: ['tests/peers/**'] }).flatMap((path) => {
    const quotes = readFileSync(path, 'utf8').matchAll(new RegExp(`\\[(${RULE}(?:[\\s,]+${RULE})*)\\]`, 'g'))
    return [...quotes].flatMap((match) => match[1]?.split(/[\s,]+/) ?? [])
  }),
)

test('each rule of SPEC.md has one number, and a test quotes it', () => {
  expect(rules.length).toBeGreaterThan(300)
  expect(rules.filter((rule, index) => rules.indexOf(rule) !== index)).toEqual([])
  expect(rules.filter((rule) => rule !== undefined && !quoted.has(rule))).toEqual([])
})

test('each rule that a test quotes stands in SPEC.md', () => {
  expect([...quoted].filter((rule) => !rules.includes(rule))).toEqual([])
})
