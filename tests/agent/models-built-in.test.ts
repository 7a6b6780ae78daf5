import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readEntry } from '#agent/models/catalog-entry.ts'

const FOLDER = new URL('../../models/', import.meta.url)
const entries = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.yaml'))
  .sort()
  .map((file) => {
    const read = readEntry(readFileSync(new URL(file, FOLDER), 'utf8'))
    if (!read.ok) throw new Error(`models/${file}: ${read.message}`)
    return { file, ...read.entry }
  })

/** A public page, or a public repository and the file in it: `owner/name, path/to/file.csv`. */
const SOURCE = /^(https:\/\/[\w.-]+\.\w+\/\S+|[A-Za-z0-9][\w.-]*\/[\w.-]+, \S+\.\w+)$/

describe('[AM27] the models that come with the project', () => {
  it.each(entries)('$file: named as its file, with a licence', ({ file, id, license }) => {
    expect(file).toBe(`${id}.yaml`)
    expect(license.trim()).not.toBe('')
  })

  it.each(entries)('$file: only what was checked says so', ({ verified, source, files }) => {
    const isChecked = files.every(({ sha256, size_bytes }) => sha256 !== null && size_bytes !== null)
    const isFixed = source.kind !== 'hub' || source.revision !== null
    if (verified) expect({ isChecked, isFixed }).toEqual({ isChecked: true, isFixed: true })
  })

  const figures = entries.flatMap(({ file, published }) => published.map((figure) => ({ file, ...figure })))
  it.each(figures)('$file: $metric $value stands at a public place', ({ source, conditions }) => {
    expect(source).toMatch(SOURCE)
    expect(conditions.trim()).not.toBe('')
  })

  it('no name is there twice', () => {
    const names = entries.flatMap(({ id, aliases }) => [id, ...aliases])
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  it('the default is the one that the README names; the embedded one is none', () => {
    const preferred = entries.filter((entry) => entry.preferred)
    const byStage = Object.groupBy(preferred, ({ stage }) => stage)
    for (const [stage, models] of Object.entries(byStage)) expect(models, stage).toHaveLength(1)
    const [transcriber] = byStage.transcribe ?? []
    expect(transcriber).toMatchObject({ id: 'whisper-large-v3-turbo', languages: null, embedded: false })
    expect(transcriber?.hardware.gpu_required).toBe(false)
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    expect(readme).toContain(`Once \`${transcriber?.id}\` is pulled, it is the default.`)
    expect(entries.filter(({ embedded }) => embedded).map(({ id }) => id)).toEqual(['embedded-en'])
  })
})
