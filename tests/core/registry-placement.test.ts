import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '#core/settings.ts'
import type { AnnouncedEngine } from '#protocol/engine.ts'
import { EngineId } from '#protocol/ids.ts'
import {
  A_RUN,
  agentId,
  type aHello,
  aModel,
  anEngine,
  completed,
  jobId,
  requirementsOf,
  taskId,
} from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

/** Which agent gets a task: two that could, of which the better one is asked, in whatever order they came. */
type Box = NonNullable<Parameters<typeof aHello>[0]>

const transcribe = taskId('transcribe')
const engine = (id: string, model: Parameters<typeof aModel>[1] = {}, parts = {}): AnnouncedEngine =>
  anEngine({ id, stages: ['transcribe'], needsModel: true, models: [aModel('english', model)], ...parts })
const ctc = (model: Parameters<typeof aModel>[1] = {}, parts = {}) => engine('ctc', model, parts)
const whisper = (model: Parameters<typeof aModel>[1] = {}) => engine('whisper', model)

function boxes(...each: Box[]): RegistryRun {
  const run = new RegistryRun()
  for (const [index, box] of each.entries()) run.hello(index + 1, box)
  return run
}

/** A job of which the agent has run `prepare`. */
function withRecording(run: RegistryRun, number: number): RegistryRun {
  const prepare = taskId('prepare')
  const told = { agentId: agentId(number), taskId: prepare, fence: 1, ...A_RUN, answer: 'accepted' } as const
  run.enqueue()
  run.accept(number, prepare)
  run.start(number, prepare)
  run.says(number, { type: 'task.result', task_id: prepare, fence: 1, outcome: completed(prepare, 1) })
  run.tell({ type: 'result.answered', ...told })
  return run
}

describe('each merit counts more than all that come after it', () => {
  const merits: [string, Box, Box][] = [
    ['capable', { engines: [anEngine()], slots: 8 }, { engines: [ctc({ embedded: true })] }],
    [
      'a real model before the embedded one',
      { engines: [ctc({ embedded: true, loaded: true })], slots: 8 },
      { engines: [whisper()], slots: 1 },
    ],
    [
      'the engine that selection put in front',
      { engines: [whisper({ loaded: true })], slots: 8 },
      { engines: [ctc()], slots: 1 },
    ],
    ['a loaded model', { engines: [ctc()], slots: 8 }, { engines: [ctc({ loaded: true })], slots: 1 }],
    ['least loaded', { engines: [ctc()], slots: 2 }, { engines: [ctc()], slots: 3 }],
    [
      'least loaded, between boxes that are not alike',
      { engines: [ctc({}, { slots: 2 })], slots: 8 },
      { engines: [ctc({}, { slots: 3 })], slots: 8 },
    ],
  ]
  test.each(merits)('[R7] %s', (_name, worse, better) => {
    for (const [each, winner] of [
      [[worse, better], 2],
      [[better, worse], 1],
    ] as const) {
      const run = boxes(...each)
      run.enqueue({ stage: 'transcribe', preferredEngineId: EngineId.parse('ctc') })
      expect(run.at(transcribe)).toBe(`offered ${winner}`)
    }
  })

  test('[R7] who did not fail it before, even with the embedded model', () => {
    const run = boxes({ engines: [ctc({ loaded: true })], slots: 8 }, { engines: [ctc({ embedded: true })] })
    run.enqueue({ stage: 'transcribe', avoid: [agentId(1)] })
    expect(run.at(transcribe)).toBe('offered 2')
  })

  test('[R7] who failed it before may try again when nobody else is free', () => {
    const run = boxes({ engines: [ctc()] }, { engines: [ctc()] })
    run.disconnect(2)
    run.enqueue({ stage: 'transcribe', avoid: [agentId(2), agentId(1)] })
    expect(run.at(transcribe)).toBe('offered 1')
  })

  test('[R7] who holds the artifacts, though more loaded; a loaded model counts more', () => {
    const both = (model: Parameters<typeof aModel>[1]) => [anEngine({ slots: 4 }), ctc(model, { slots: 4 })]
    const run = withRecording(boxes({ engines: both({}), slots: 2 }), 1)
    run.hello(2, { engines: both({}), slots: 4 })
    run.enqueue({ stage: 'transcribe' })
    expect(run.at(transcribe)).toBe('offered 1')
    const other = withRecording(boxes({ engines: both({}), slots: 2 }), 1)
    other.hello(2, { engines: both({ loaded: true }), slots: 1 })
    other.enqueue({ stage: 'transcribe' })
    expect(other.at(transcribe)).toBe('offered 2')
  })
})

describe('who gets none', () => {
  const cases: [string, (run: RegistryRun) => void][] = [
    ['one that is cordoned', (run) => run.tell({ type: 'cordon', agentId: agentId(), reason: 'repair' })],
    ['one that drains', (run) => run.says(1, { type: 'agent.draining', reason: 'update' })],
    [
      'one that was asked to leave',
      (run) => run.tell({ type: 'dismiss', agentId: agentId(), reason: 'bye' }),
    ],
    ['one that is gone', (run) => run.disconnect(1)],
    ['one that was revoked', (run) => run.tell({ type: 'revoke', agentId: agentId() })],
    [
      'one that just let an offer pass',
      (run) => {
        run.enqueue({ jobId: jobId(9) })
        run.wakeAfter(DEFAULTS.offerMs)
        run.tell({ type: 'cancel', taskId: taskId('prepare', jobId(9)), fence: 1, reason: 'over' })
      },
    ],
    [
      'one that just declined',
      (run) => {
        run.enqueue({ jobId: jobId(9) })
        const grant = { task_id: taskId('prepare', jobId(9)), fence: 1 }
        run.says(1, { type: 'task.decline', ...grant, reason: 'full' })
        run.tell({ type: 'cancel', taskId: grant.task_id, fence: 1, reason: 'over' })
      },
    ],
  ]
  test.each(cases)('[R7] %s', (_name, act) => {
    const run = boxes({ slots: 8 })
    act(run)
    run.enqueue()
    expect(run.at(taskId('prepare'))).toBe('queued')
    run.hello(2)
    expect(run.at(taskId('prepare'))).toBe('offered 2')
  })

  test('[R6] slots of the agent and of the engine: what has neither waits', () => {
    const run = boxes({ slots: 3, engines: [anEngine({ slots: 1 }), ctc({}, { slots: 3 })] })
    for (const number of [1, 2, 3, 4]) {
      run.enqueue({ jobId: jobId(number) })
      run.enqueue({ jobId: jobId(number), stage: 'transcribe' })
    }
    const held = [...(run.state.held.get(agentId()) ?? [])].map((id) => id.slice(id.indexOf('.') + 1))
    expect(held.sort()).toEqual(['prepare', 'transcribe', 'transcribe'])
  })
})

describe('memory', () => {
  const large = (id: string, memory_mib: number | null, slots = 4) =>
    engine(id, { memory_mib, id: aModel(id).id }, { slots })
  const asks = (run: RegistryRun, number: number, id: string) => {
    const requirements = requirementsOf({ stage: 'transcribe', engine_id: EngineId.parse(id) })
    run.enqueue({ jobId: jobId(number), stage: 'transcribe', requirements })
    return run.at(taskId('transcribe', jobId(number)))
  }

  test('[R40] two models that do not fit together do not run together; two that do, do', () => {
    const run = boxes({
      slots: 8,
      memory_mib: 10_000,
      engines: [large('large', 6_000), large('too', 5_000), large('small', 4_000)],
    })
    expect(asks(run, 1, 'large')).toBe('offered 1')
    expect(asks(run, 2, 'too')).toBe('queued')
    expect(run.tell({ type: 'inquire', taskId: taskId('transcribe', jobId(2)), fence: 1 }).why).toContain(
      'too has no memory left beside what runs',
    )
    expect(asks(run, 3, 'small')).toBe('offered 1')
    run.tell({ type: 'cancel', taskId: taskId('transcribe', jobId(1)), fence: 1, reason: 'over' })
    expect(run.at(taskId('transcribe', jobId(2)))).toBe('offered 1')
  })

  test('[R40] the model that runs already costs nothing more', () => {
    const run = boxes({ slots: 8, memory_mib: 10_000, engines: [large('large', 9_000)] })
    expect([asks(run, 1, 'large'), asks(run, 2, 'large')]).toEqual(['offered 1', 'offered 1'])
  })

  test('[R40] a task that is alone may always try', () => {
    const run = boxes({ slots: 8, memory_mib: 1_000, engines: [large('large', 9_000)] })
    expect(asks(run, 1, 'large')).toBe('offered 1')
  })

  test('[R40] a model of unknown size needs what its engine says; an agent that tells no budget has no bound', () => {
    const engines = [large('large', 950), large('unknown', null)]
    expect(engines[1]?.manifest.hardware.memory_mib).toBe(100)
    const run = boxes({ slots: 8, memory_mib: 1_000, engines })
    expect([asks(run, 1, 'large'), asks(run, 2, 'unknown')]).toEqual(['offered 1', 'queued'])
    const free = boxes({ slots: 8, memory_mib: null, engines })
    expect([asks(free, 1, 'large'), asks(free, 2, 'unknown')]).toEqual(['offered 1', 'offered 1'])
  })

  test('[R40] another agent that has the memory gets it, though its model is not loaded', () => {
    const run = boxes(
      { slots: 8, memory_mib: 10_000, engines: [large('a', 8_000), large('b', 8_000)] },
      { slots: 8, memory_mib: 10_000, engines: [large('b', 8_000)] },
    )
    expect([asks(run, 1, 'a'), asks(run, 2, 'b'), asks(run, 3, 'a')]).toEqual([
      'offered 1',
      'offered 2',
      'offered 1',
    ])
  })
})
