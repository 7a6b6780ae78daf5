import { expect, test } from 'vitest'
import { html } from '#fragments/html.ts'
import { ago, clock, duration } from '#fragments/quantities.ts'
import { at, NOW_MS } from './kit/builders.ts'

const HOSTILE = `<script>alert("1")</script>&'`

test('[U1] a string put into markup is escaped, in text and in attributes', () => {
  expect(html`<p title="${HOSTILE}">${HOSTILE}</p>`.markup).toBe(
    '<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;">&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;</p>',
  )
})

test('[U1] markup put into markup stands, and lists print their items, each escaped', () => {
  expect(html`<ul>${['<a>', html`<li>b</li>`]}</ul>`.markup).toBe('<ul>&lt;a&gt;<li>b</li></ul>')
})

test('[U1] null and false print nothing, zero prints', () => {
  expect(html`${null}${false}${0}`.markup).toBe('0')
})

test.each([
  [240, '0.24 s'],
  [3400, '3.4 s'],
  [42_300, '42 s'],
  [185_000, '3 min 05 s'],
  [240_000, '4 min'],
  [7_800_000, '2 h 10 min'],
  [-5, '0.00 s'],
])('a duration of %i ms reads %s', (milliseconds, text) => expect(duration(milliseconds)).toBe(text))

test.each([
  [7.24, '0:07.2'],
  [59.96, '1:00.0'],
  [3723.5, '1:02:03.5'],
])('a place at %f s reads %s', (seconds, text) => expect(clock(seconds)).toBe(text))

test.each([
  [-20, 'just now'],
  [20, 'just now'],
  [-300, '5 min ago'],
  [-7300, '2 h ago'],
  [-200_000, '2 d ago'],
])('%i s from now reads %s', (seconds, text) => expect(ago(at(seconds), NOW_MS)).toBe(text))
