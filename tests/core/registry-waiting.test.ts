import { describe, expect, test } from 'vitest'
import { choosePipeline } from '#core/pipeline.ts'
import { sentenceOf } from '#core/registry/waiting.ts'
import { EngineId, OperationId, TenantId } from '#protocol/ids.ts'
import { aHello, aModel, anEngine, EVERYTHING, jobId, parametersOf } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** The registry's list of jobs that no engine can serve yet. */
const [PREPARE, CTC] = EVERYTHING
const job = (number = 1, parts: Parameters<typeof parametersOf>[0] = {}) => ({
  jobId: jobId(number),
  tenantId: TenantId.parse('default'),
  parameters: parametersOf(parts),
})
const OPERATION = OperationId.parse(`op_${'0'.repeat(26)}`)
const SELECTED = [`selected:${jobId()}`]

function wait(run: RegistryRun, number = 1, parts: Parameters<typeof parametersOf>[0] = {}): void {
  run.tell({ type: 'wait', job: job(number, parts), pongs: run.pongs, operationId: OPERATION })
}

function waiting(): RegistryRun {
  const run = new RegistryRun()
  wait(run)
  return run
}

/** The alarm rings, if it is set for now. */
function orders(run: RegistryRun, ...alive: number[]): string[] {
  if (run.nextWakeMs === null || run.nextWakeMs > run.nowMs) return []
  run.wakeAfter(0, ...alive)
  return run.orders
}

describe('a job on the list', () => {
  test('[R48] engines that are there already are told at once', () => {
    const run = new RegistryRun()
    run.hello(1)
    wait(run)
    expect(run.effects).toMatchObject([
      {
        effect: {
          type: 'job.selected',
          jobId: jobId(),
          pipeline: { stages: [{ engineId: 'prepare' }, { engineId: 'ctc' }] },
        },
      },
    ])
  })

  test('[R48] it is told when the last engine that it needs comes, by a hello or a change of status', () => {
    if (PREPARE === undefined || CTC === undefined) throw new Error('expected two engines')
    const run = waiting()
    expect(run.orders).toEqual([])
    run.hello(1, { engines: [PREPARE] })
    expect(orders(run, 1)).toEqual([])
    run.hello(2, { engines: [] })
    expect(orders(run, 1, 2)).toEqual([])
    run.says(2, { type: 'agent.status', slots: 1, models_free_bytes: null, engines: [CTC] })
    expect(orders(run, 1, 2)).toEqual(SELECTED)
  })

  test('[R48] an agent that only answered pings for long counts beside the one that comes', () => {
    if (PREPARE === undefined || CTC === undefined) throw new Error('expected two engines')
    const run = new RegistryRun()
    run.hello(1, { engines: [PREPARE] })
    wait(run)
    run.nowMs += 600_000
    run.hello(2, { engines: [CTC] })
    expect(orders(run, 1)).toEqual(SELECTED)
  })

  test('[R48] an agent that is silent for long does not', () => {
    if (PREPARE === undefined || CTC === undefined) throw new Error('expected two engines')
    const run = new RegistryRun()
    run.hello(1, { engines: [PREPARE] })
    wait(run)
    run.nowMs += 600_000
    run.hello(2, { engines: [CTC] })
    expect(orders(run)).toEqual([])
  })

  test('[R48] of several jobs those are told whose engines came', () => {
    const run = waiting()
    wait(run, 2, { language: 'hr' })
    wait(run, 3)
    run.hello(1)
    expect(orders(run, 1)).toEqual([`selected:${jobId(1)}`, `selected:${jobId(3)}`])
    const croatian = anEngine({
      id: 'ctc',
      stages: ['transcribe'],
      needsModel: true,
      models: [aModel('croatian', { languages: ['hr'] })],
    })
    run.says(1, {
      type: 'agent.status',
      slots: 1,
      models_free_bytes: null,
      engines: [...EVERYTHING.slice(0, 1), croatian],
    })
    expect(orders(run, 1)).toEqual([`selected:${jobId(2)}`])
  })

  test('[R49] the answer of the Job takes it off the list, whatever it is', () => {
    for (const answer of ['ok', 'duplicate', 'conflict', 'gone'] as const) {
      const run = waiting()
      run.hello(1)
      orders(run, 1)
      run.tell({ type: 'effect.answered', id: SELECTED[0] ?? '', answer })
      expect(run.records.read().filter(({ kind }) => kind === 'waiting' || kind === 'outbox')).toEqual([])
      run.says(1, { type: 'agent.status', slots: 1, models_free_bytes: null, engines: aHello().engines })
      expect(orders(run, 1)).toEqual([])
    }
  })

  test('[R49] taken off, it is told nothing, also when that was on its way', () => {
    const run = waiting()
    run.tell({ type: 'unwait', jobId: jobId() })
    run.hello(1)
    expect(orders(run, 1)).toEqual([])
    const late = waiting()
    late.hello(1)
    orders(late, 1)
    late.tell({ type: 'unwait', jobId: jobId() })
    late.wakeAfter(60_000, 1)
    expect(late.orders).toEqual([])
    expect(late.records.read().filter(({ kind }) => kind === 'outbox')).toEqual([])
  })

  test('[R49] put on twice it is there once; a call that comes after the end changes nothing', () => {
    const run = waiting()
    const { written } = run.records
    wait(run)
    expect(run.records.written).toBe(written)
    run.tell({ type: 'unwait', jobId: jobId() })
    wait(run)
    run.hello(1)
    expect(orders(run, 1)).toEqual([])
    expect(run.state.waiting.size).toBe(0)
  })

  test('[R49] one that comes after an eviction as well is mended by the Job’s answer', () => {
    const run = waiting()
    run.tell({ type: 'unwait', jobId: jobId() })
    run.reload()
    wait(run)
    run.hello(1)
    expect(orders(run, 1)).toEqual(SELECTED)
    run.tell({ type: 'effect.answered', id: SELECTED[0] ?? '', answer: 'conflict' })
    expect(run.state.waiting.size).toBe(0)
    wait(run)
    expect(run.orders).toEqual([])
  })

  test('[R49] the list and what was told survive an eviction, also one between the hello and the look', () => {
    const run = waiting()
    run.hello(1)
    run.reload('s1')
    expect(orders(run, 1)).toEqual(SELECTED)
    run.reload('s1')
    expect(orders(run, 1)).toEqual(SELECTED)
    run.tell({ type: 'effect.answered', id: SELECTED[0] ?? '', answer: 'ok' })
    run.reload('s1')
    expect(orders(run, 1)).toEqual([])
  })
})

describe('why it waits', () => {
  const catalog = { engines: [anEngine({ id: 'ctc', stages: ['transcribe'] }).manifest], models: [] }
  const sentence = (parts: Parameters<typeof parametersOf>[0], engines = EVERYTHING) => {
    const running = engines.map((engine) => ({ agentId: 'a', engine }))
    const choice = choosePipeline(parametersOf(parts), running, catalog)
    return choice.ok ? null : sentenceOf(choice.error)
  }

  const OWN = 'No engine of the catalog does; add one of your own: dalston agent --engines FILE'

  test('[R48] in one sentence, with what helps', () => {
    expect(sentence({}, [])).toBe(`No agent is connected, so nothing can run prepare. ${OWN}`)
    expect(sentence({}, EVERYTHING.slice(0, 1))).toBe(
      'No running engine serves transcribe (there are prepare). ' +
        'What helps: dalston agent --server URL --token TOKEN',
    )
    expect(sentence({ language: 'hr', enginePreference: EngineId.parse('whisper') })).toBe(
      `No running engine can do transcribe as asked (ctc: the job asks for engine whisper). ${OWN}`,
    )
  })
})
