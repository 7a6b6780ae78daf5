import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OutputCache } from '#agent/cache.ts'
import { readCredential, writeCredential } from '#agent/credential.ts'
import { OutboxFiles } from '#agent/outbox-files.ts'
import { WorkFolder } from '#agent/work-folder.ts'
import { Pool } from '#protocol/ids.ts'
import { aFolder, aGrant } from './kit/agents.ts'
import { AGENT_ID } from './kit/control-plane.ts'

const aResult = () =>
  ({ type: 'task.result', ...aGrant(), outcome: { status: 'handed_back', reason: 'test' } }) as const

async function aFile(content: string): Promise<string> {
  const path = join(await aFolder(), 'output')
  await writeFile(path, content)
  return path
}

describe('[A22] the cache of own outputs', () => {
  it('lends what it keeps, as long as the size agrees', async () => {
    const folder = await aFolder()
    const cache = new OutputCache(join(folder, 'cache'), 100)
    await cache.keep('k', await aFile('sound'), 5, 0)

    expect(await cache.lend('k', join(folder, 'a'), 5)).toBe(true)
    expect(await readFile(join(folder, 'a'), 'utf8')).toBe('sound')
    expect(await cache.lend('k', join(folder, 'b'), 6)).toBe(false)
    expect(await cache.lend('other', join(folder, 'c'), 5)).toBe(false)
  })

  it('holds its bytes: the least recently used goes first', async () => {
    const folder = await aFolder()
    const cache = new OutputCache(join(folder, 'cache'), 10)
    for (const key of ['a', 'b']) await cache.keep(key, await aFile('12345'), 5, 0)
    await cache.lend('a', join(folder, 'used'), 5)
    await cache.keep('c', await aFile('12345'), 5, 0)

    expect(await cache.lend('b', join(folder, 'b'), 5)).toBe(false)
    expect(await cache.lend('a', join(folder, 'a'), 5)).toBe(true)
    expect(await readdir(join(folder, 'cache'))).toHaveLength(2)
  })

  it('forgets after 15 minutes', async () => {
    const folder = await aFolder()
    const cache = new OutputCache(join(folder, 'cache'), 10)
    await cache.keep('a', await aFile('12345'), 5, 0)
    await cache.sweep(15 * 60_000)

    expect(await readdir(join(folder, 'cache'))).toEqual([])
  })

  it('does not take what is larger than itself', async () => {
    const path = await aFile('12345')
    await new OutputCache(join(await aFolder(), 'cache'), 4).keep('a', path, 5, 0)
    expect((await stat(path)).size).toBe(5)
  })

  it('a file that somebody deleted is downloaded again', async () => {
    const folder = await aFolder()
    const cache = new OutputCache(join(folder, 'cache'), 10)
    await cache.keep('a', await aFile('12345'), 5, 0)
    await rm(join(folder, 'cache'), { recursive: true })

    expect(await cache.lend('a', join(folder, 'a'), 5)).toBe(false)
  })
})

describe('[A24] work folders', () => {
  it('of processes that are gone are swept at the start; of living ones stay', async () => {
    const data = await aFolder()
    for (const name of ['99999999', String(process.ppid), 'leftover'])
      await mkdir(join(data, 'work', name), { recursive: true })
    await WorkFolder.open(data)

    const expected = [String(process.pid), String(process.ppid)].sort()
    expect((await readdir(join(data, 'work'))).sort()).toEqual(expected)
  })

  it('are for their owner only', async () => {
    const work = await WorkFolder.open(await aFolder())
    const task = await work.forTask('a.f1')
    for (const path of [work.path, task.inputs, task.outputs])
      expect((await stat(path)).mode & 0o777).toBe(0o700)
  })
})

describe('[A12] the outbox on disk', () => {
  it('gives back what was saved, and not what was answered', async () => {
    const data = await aFolder()
    const outbox = new OutboxFiles(data)
    await outbox.load()
    const [kept, answered] = [aResult(), aResult()]
    void outbox.save(kept)
    void outbox.save(answered)
    await outbox.forget(answered)

    expect(await new OutboxFiles(data).load()).toEqual([kept])
  })

  it('drops a file that a crash cut short', async () => {
    const data = await aFolder()
    const outbox = new OutboxFiles(data)
    await outbox.load()
    await writeFile(join(data, 'outbox', 'half.json'), '{"type":"task.res')

    expect(await outbox.load()).toEqual([])
    expect(await readdir(join(data, 'outbox'))).toEqual([])
  })
})

describe('[A19] the credential', () => {
  const credential = {
    agent_id: AGENT_ID,
    pool: Pool.parse('default'),
    credential: 'da_x',
    server: 'http://one',
    issued_at_ms: 0,
    previous: null,
  }

  it('belongs to its server, and keeps 0600 over an older file with more', async () => {
    const data = await aFolder()
    const path = join(data, 'credential.json')
    await writeFile(path, 'old', { mode: 0o644 })
    await writeCredential(data, credential)

    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readCredential(data, 'http://one')).toEqual(credential)
    expect(await readCredential(data, 'http://two')).toBeNull()
  })

  it.each(['', '{', '{"server":"http://one"}'])('%j is the same as none', async (content) => {
    const data = await aFolder()
    await writeFile(join(data, 'credential.json'), content)
    expect(await readCredential(data, 'http://one')).toBeNull()
  })
})
