import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SCRIPT_VARIABLE, writeScript } from '#tests/kit/script.ts'
import { ENGINES } from '#tests/kit/scripted-engines.ts'
import { anAgentProcess } from './kit/agent-processes.ts'
import { aControlPlane, aFolder, run } from './kit/agents.ts'
import { JOIN_TOKEN } from './kit/control-plane.ts'

const OWN = fileURLToPath(import.meta.resolve('#tests/kit/scripted-engines.ts'))
const IDS = ENGINES.map(({ manifest }) => manifest.id)
const BUILT_IN = ['scripted', 'scripted-ctc']

describe('[A29] --engines: engines of the owner’s own', () => {
  it.each([
    { flags: ['--engines', OWN], env: {}, ids: [...BUILT_IN, ...IDS] },
    { flags: ['--engines', OWN, '--engines-only'], env: {}, ids: IDS },
    { flags: [], env: { DALSTON_ENGINES: OWN, DALSTON_ENGINES_ONLY: '1' }, ids: IDS },
  ])('$flags $env: hello announces them, and they run', async ({ flags, env, ids }) => {
    const plane = await aControlPlane()
    const script = await writeScript(join(await aFolder(), 'script.json'), { audio_seconds: 0.5 })
    const options = { env: { ...env, [SCRIPT_VARIABLE]: script } }
    await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN, ...flags], options)
    const link = await plane.link()

    expect((await link.hello).engines.map(({ manifest }) => manifest.id)).toEqual(ids)
    await run(plane, link, { engineId: 'scripted-prepare' })
    // The variable that the module names reached its child.
    expect((await link.next('task.result')).outcome).toMatchObject({ summary: { duration_seconds: 0.5 } })
  })

  it.each([
    { what: 'nothing', source: 'export {}', says: 'expected a module that exports ENGINES, a list of' },
    { what: 'no list', source: 'export const ENGINES = 1', says: 'expected a module that exports ENGINES' },
    {
      what: 'an invalid manifest',
      source: "export const ENGINES = [{ manifest: { id: 'A B' }, load() {} }]",
      says: 'ENGINES.0.manifest.id: expected an engine id such as ctc',
    },
    { what: 'no module', source: 'export const =', says: 'Unexpected token' },
  ])('$what: exit 2 with a sentence', async ({ source, says }) => {
    const path = join(await aFolder(), 'own.mjs')
    await writeFile(path, source)
    const agent = await anAgentProcess(['--server', 'http://127.0.0.1:1', '--engines', path])

    expect((await agent.exited).code).toBe(2)
    expect(agent.output()).toContain(`--engines: ${path}: ${says}`)
  })

  it.each([
    { flags: ['--engines', '/nowhere/own.ts'], says: '--engines: /nowhere/own.ts: ' },
    {
      flags: ['--engines', fileURLToPath(import.meta.resolve('./kit/engines.ts'))],
      says: 'there are two engines scripted; give one another id',
    },
    { flags: ['--engines-only'], says: '--engines-only: expected --engines FILE with it' },
  ])('$flags: exit 2', async ({ flags, says }) => {
    const agent = await anAgentProcess(['--server', 'http://127.0.0.1:1', ...flags])

    expect((await agent.exited).code).toBe(2)
    expect(agent.output()).toContain(says)
  })
})
