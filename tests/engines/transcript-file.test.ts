import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { percentOf, readRegions } from '#engines/text/transcript-file.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

async function regionsOf(text: string) {
  writeFileSync(folder.join('speech.jsonl'), text)
  const regions = []
  for await (const region of readRegions(folder.join('speech.jsonl'))) regions.push(region)
  return regions
}

describe('speech.jsonl', () => {
  it('[E4] gives its regions, whatever the last line ends with', async () => {
    const regions = [
      { start: 0, end: 1 },
      { start: 1, end: 1 },
      { start: 1, end: 1e300 },
    ]
    const lines = regions.map((region) => JSON.stringify(region))
    expect(await regionsOf(lines.join('\n'))).toEqual(regions)
    expect(await regionsOf(`${lines.join('\r\n')}\n\n`)).toEqual(regions)
    expect(await regionsOf('')).toEqual([])
  })

  it.each([
    ['{"start":0,"end":1}\n{"start":', /speech\.jsonl, line 2: expected a start and an end in seconds/],
    ['{"start":-1,"end":1}', /line 1: expected a start and an end/],
    ['{"start":0,"end":1e999}', /line 1: expected a start and an end/],
    ['{"start":2,"end":1}', /line 1: expected an end behind its start/],
    ['{"start":2,"end":3}\n\n{"start":1,"end":2}', /line 3: expected regions in time order, 1 comes after 2/],
  ])('[E4] %j is refused with its line: no sound is left out unnoticed', async (text, says) => {
    await expect(regionsOf(text)).rejects.toThrow(says)
  })
})

it.each([
  [0, { start: 0, end: 10 }, 0],
  [3.333, { start: 0, end: 10 }, 33.3],
  [99, { start: 0, end: 10 }, 100],
  [1, { start: 2, end: 4 }, 0],
  [0, { start: 3, end: 3 }, 100],
])('[C8] at %d s of %j it is %d %%', (seconds, audio, percent) => {
  expect(percentOf(seconds, audio)).toBe(percent)
})
