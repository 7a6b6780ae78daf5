import { afterAll, beforeAll, expect, it } from 'vitest'
import { isTerminalEvent, type JobEvent } from '#protocol/events.ts'
import type { Progress } from '#protocol/task.ts'
import type { FakeHub } from '#tests/kit/fake-hub.ts'
import { aFleet } from './kit/a-fleet.ts'
import type { Box } from './kit/box.ts'
import { CTC, toneHub } from './kit/tone-hub.ts'

const its = aFleet()
let hub: FakeHub
let box: Box
beforeAll(async () => {
  hub = await toneHub()
  box = await its.fleet.box('box', { engines: 'built-in', flags: ['--hub', hub.url] })
})
afterAll(() => hub.stop())

it('[E2E31] a reader of the stream sees that the model is loaded, before it is', async () => {
  const place = ['--agent-data', box.dataPath]
  await its.fleet.dalston('models', 'add', `hf:tones/${CTC.name}`, '--hub', hub.url, ...place)
  expect(await its.fleet.dalston('models', 'pull', CTC.name, ...place)).toMatchObject({ code: 0 })
  await expect.poll(() => box.enginePid('ctc'), { timeout: 30_000 }).toBeGreaterThan(0)
  const enginePid = box.enginePid('ctc')
  // It loads nothing until it goes on: what is read meanwhile was said of a load that has not ended.
  process.kill(enginePid, 'SIGSTOP')

  const { id } = await its.fleet.submitSound([CTC.sound], { model: CTC.name })
  const read: JobEvent[] = []
  for await (const { event } of its.fleet.client.events(id)) {
    read.push(event)
    if (saysLoading(event)) process.kill(enginePid, 'SIGCONT')
    if (isTerminalEvent(event)) break
  }
  const told = read.map(({ type }) => type)
  const loading = read.findIndex(saysLoading)
  expect(loading, told.join(' ')).toBeGreaterThan(-1)
  expect(told.slice(0, loading)).not.toContain('transcript.partial')
  expect(read.slice(0, loading).some(endsTranscribe)).toBe(false)
  expect(read.slice(loading).filter(endsTranscribe)).toHaveLength(1)
  expect(told.at(-1)).toBe('job.completed')
  expect(await its.fleet.ended(id)).toMatchObject({ status: 'completed', text: CTC.text })

  // The model lies in memory now: nothing is said of a load.
  const second = await its.fleet.submitSound([CTC.sound], { model: CTC.name })
  for await (const { event } of its.fleet.client.events(second.id)) {
    expect(saysLoading(event)).toBe(false)
    if (isTerminalEvent(event)) break
  }
})

/** As its own event, or in the snapshot of a reader who came when it had been said. */
function saysLoading(event: JobEvent): boolean {
  const sentence = `loading the model ${CTC.name}`
  const isIt = (progress: Progress | null) => progress?.message === sentence && progress.percent === null
  if (event.type === 'task.progress') return event.stage === 'transcribe' && isIt(event.task)
  return event.type === 'snapshot' && event.job.stages.some(({ progress }) => isIt(progress))
}

function endsTranscribe(event: JobEvent): boolean {
  return event.type === 'task.completed' && event.stage.stage === 'transcribe'
}
