import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { anAgentProcess } from '#tests/agent/kit/agent-processes.ts'
import { aControlPlane, aFolder, anUpload, run } from '#tests/agent/kit/agents.ts'
import { JOIN_TOKEN } from '#tests/agent/kit/control-plane.ts'
import { aDescription, MANIFEST } from '#tests/kit/process-engines.ts'

async function aFile(name: string, text: string): Promise<string> {
  const path = join(await aFolder(), name)
  await writeFile(path, text)
  return path
}

describe('[PE15] a description file in place of a list module', () => {
  it('its engines are announced and run in children of the agent; one file may hold several', async () => {
    const second = aDescription('good', { manifest: { ...MANIFEST, id: 'second' } })
    const path = await aFile('own.json', JSON.stringify([aDescription(), second]))
    const plane = await aControlPlane()
    await anAgentProcess([
      ...['--server', plane.url, '--token', JOIN_TOKEN],
      ...['--engines', path, '--engines-only'],
    ])
    const link = await plane.link()
    const hello = await link.hello
    expect(hello.engines.map(({ manifest }) => manifest.id)).toEqual(['scripted-process', 'second'])

    const inputs = ['audio.s16', 'speech.jsonl'].map((name) => ({ ...anUpload(plane, ''), name }))
    await run(plane, link, { engineId: 'second', stage: 'transcribe', inputs })
    expect((await link.next('task.result')).outcome).toMatchObject({ summary: { segment_count: 1 } })
  })

  it('the files of the project are such', async () => {
    const plane = await aControlPlane()
    const path = fileURLToPath(import.meta.resolve('#engines/process/adapters/nemo.yaml'))
    await anAgentProcess(['--server', plane.url, '--token', JOIN_TOKEN, '--engines', path, '--engines-only'])
    const hello = await (await plane.link()).hello
    expect(hello.engines.map(({ manifest }) => manifest.id)).toEqual(['nemo'])
  })

  it.each([
    ['no-id.yaml', 'command: [x]\nmanifest: {}', 'no-id.yaml: manifest.id: '],
    ['misspelled.json', '{"comand": ["x"]}', 'misspelled.json: '],
    ['torn.yaml', 'command: [', 'torn.yaml: Flow sequence'],
    ['nothing.yaml', '[]', 'nothing.yaml: expected an engine or a list'],
    ['second.yaml', JSON.stringify([aDescription(), { command: 1 }]), 'second.yaml: 1.manifest: '],
  ])('%s: exit 2 with a sentence', async (name, text, says) => {
    const path = await aFile(name, text)
    const agent = await anAgentProcess(['--server', 'http://127.0.0.1:1', '--engines', path])
    expect((await agent.exited).code).toBe(2)
    expect(agent.output()).toContain(says)
  })
})
