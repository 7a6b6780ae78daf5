import { afterEach, describe, expect, it } from 'vitest'
import type { JobView } from '#protocol/job.ts'
import { aFleet } from './kit/a-fleet.ts'
import { lives } from './kit/box.ts'

const ENGINES = ['scripted-prepare', 'scripted-words']

function transcribes({ stages }: JobView): boolean {
  return stages.some(({ stage, status }) => stage === 'transcribe' && status === 'running')
}

function waits({ stages }: JobView): boolean {
  return stages.some(({ status, why }) => status === 'ready' && why !== null)
}

describe('one slot, many jobs', () => {
  const its = aFleet()
  afterEach(() => its.fleet.dismiss())

  it('[E2E19] the priority and the reason of a wait stand in API and CLI; high goes before normal before low', async () => {
    const { fleet } = its
    const gate = fleet.gate('priority')
    await fleet.script({ on: { transcribe: { until: gate.path } } })
    await fleet.box('single', { engines: ENGINES })
    const first = await fleet.submit()
    await fleet.when(first.id, transcribes)
    const priorities = ['low', 'normal', 'high'] as const
    const later = []
    for (const priority of priorities) later.push(await fleet.submit({ priority }))
    const [low, , high] = await Promise.all(later.map(({ id }) => fleet.when(id, waits)))
    expect(high?.priority).toBe('high')
    expect(high?.stages[0]?.why).toContain('waits for a free engine for prepare: single: no free slot')
    const shown = await fleet.dalston('jobs', 'get', low?.id ?? '')
    expect(shown.out).toMatch(/priority\s+low/)
    expect(shown.out).toMatch(/prepare\s+ready.*waits for a free engine for prepare: single: no free slot/)

    gate.open()
    const jobs = await Promise.all(later.map(({ id }) => fleet.ended(id)))
    const inOrder = jobs.toSorted((one, other) =>
      (one.stages[0]?.started_at ?? '') < (other.stages[0]?.started_at ?? '') ? -1 : 1,
    )
    expect(inOrder.map(({ priority }) => priority)).toEqual(['high', 'normal', 'low'])
    expect(inOrder[0]?.stages[0]?.why).toMatch(/^single: /)
  })

  it.each(['hang', 'block'] as const)(
    '[E2E20] a cancel ends an engine that does not answer (%s) and frees its slot within 5 s',
    async (mode) => {
      const { fleet } = its
      await fleet.script({ on: { transcribe: { mode, times: 1 } } })
      const box = await fleet.box(`cancelled-${mode}`, { engines: ENGINES })
      const { id } = await fleet.submit()
      await fleet.when(id, transcribes)
      const next = await fleet.submit()
      const startMs = performance.now()
      expect((await fleet.client.cancel(id)).status).toBe('cancelled')
      // The one slot: the next job can only begin once it is free.
      await fleet.when(next.id, ({ stages }) => stages[0]?.started_at !== null)
      expect(performance.now() - startMs).toBeLessThan(5_000)
      expect((await fleet.ended(next.id)).status).toBe('completed')
      expect((await fleet.client.get(id)).status).toBe('cancelled')
      expect(box.enginePids.filter(lives)).toHaveLength(2)
    },
  )
})

describe('a command that is killed', () => {
  const its = aFleet()

  it('[A27] takes its agent and the engines along', async () => {
    const box = await its.fleet.box('orphan', { engines: ENGINES })
    await expect.poll(() => box.enginePids).toHaveLength(2)
    await box.killCommand()
    expect(box.log).toContain('the parent process ended')
    expect(box.enginePids.filter(lives)).toEqual([])
  })
})

describe('a run without end', () => {
  const its = aFleet({
    DALSTON_RUN_LIMIT_FACTOR: '0.1',
    DALSTON_RUN_LIMIT_FLOOR_SECONDS: '5',
    DALSTON_RUN_LIMIT_UNKNOWN_SECONDS: '20',
  })

  it('[E2E21] is killed at the limit, and the job goes on elsewhere', async () => {
    const { fleet } = its
    await fleet.script({ words: 'done at last', on: { transcribe: { mode: 'block', times: 1 } } })
    const boxes = [
      await fleet.box('one', { engines: ENGINES }),
      await fleet.box('other', { engines: ENGINES }),
    ]
    const { id } = await fleet.submit()
    const hung = await fleet.when(id, transcribes)
    const job = await fleet.ended(id)
    expect(job).toMatchObject({ status: 'completed', text: 'done at last' })
    const [before, after] = [hung.stages[1], job.stages[1]]
    expect(after).toMatchObject({ stage: 'transcribe', attempt: 2 })
    expect(after?.agent_id).not.toBe(before?.agent_id)
    expect(after?.why).toContain('it failed this task before')
    const pids = boxes.flatMap((box) => box.enginePids)
    expect(pids.filter((pid) => !lives(pid))).toHaveLength(1)
  })
})
