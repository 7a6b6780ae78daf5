import { describe, expect, test } from 'vitest'
import { agentId, aHello, anEngine, jobId, taskId } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'
import { grant, granted, running, task, waiting } from './kit/registry-states.ts'

/** The registry machine: start state → event → expected place, messages and orders. */
describe('agents that come and go', () => {
  test('[R22] a reconnect within the lease resumes: nothing is redone', () => {
    const run = running()
    run.disconnect(1)
    run.nowMs += 20_000
    run.hello(1, { running: [grant] }, 's1b')
    expect(run.sent).toMatchObject([{ message: { type: 'agent.welcome', resume: [grant] } }])
    run.wakeAfter(29_999, 1)
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R22] a hello without the task loses it, counted when it had started', () => {
    for (const [start, counted] of [
      [granted, false],
      [running, true],
    ] as const) {
      const run = start()
      run.disconnect(1)
      run.hello(1, {}, 's1b')
      expect(run.sent).toMatchObject([{ message: { type: 'agent.welcome', resume: [] } }])
      expect(run.effects).toContainEqual(
        expect.objectContaining({ effect: expect.objectContaining({ type: 'job.lost', counted }) }),
      )
    }
  })

  test('[R23] a newer session replaces the older: 4009, and late frames of the old one change nothing', () => {
    const run = running()
    run.nowMs += 1_000
    run.hello(1, { running: [grant] }, 's1b')
    expect(run.effects[0]).toMatchObject({ type: 'close', sessionId: 's1', code: 4009 })
    run.says(1, { type: 'agent.draining', reason: 'old' }, 's1')
    run.disconnect(1, 's1')
    expect(run.state.agents.get(agentId())).toMatchObject({ session: { id: 's1b' }, draining: null })
  })

  test('[R23] the hello of an older connection, held back on the way, does not replace the newer one', () => {
    const run = new RegistryRun()
    const openedMs = run.nowMs
    run.nowMs += 10_000
    run.hello(1, {}, 'new')
    run.says(1, aHello(), 'old', openedMs)
    expect(run.effects).toMatchObject([{ type: 'close', sessionId: 'old', code: 4009 }])
    expect(run.state.agents.get(agentId())?.session?.id).toBe('new')
  })

  test('[R23] a second hello of one session changes nothing', () => {
    const run = running()
    run.hello(1)
    expect(run.effects).toEqual([])
    expect(run.at(task)).toBe('granted 1')
  })

  test('[R24] a frame before hello changes nothing', () => {
    const run = new RegistryRun()
    run.says(1, { type: 'task.accept', ...grant })
    expect(run.effects).toEqual([])
    expect(run.state.agents.size).toBe(0)
  })

  test('[R24] an agent of another protocol version is closed with 4011', () => {
    const run = waiting()
    run.hello(1, { protocol: { min: 4, max: 5 } })
    expect(run.effects).toMatchObject([
      { type: 'close', code: 4011, reason: 'this server speaks protocol 3, the agent 4 to 5' },
    ])
    expect(run.at(task)).toBe('queued')
  })

  test.each([
    ['disconnects', (run: RegistryRun) => run.disconnect(1)],
    ['drains', (run: RegistryRun) => run.says(1, { type: 'agent.draining', reason: 'update' })],
  ])(
    '[R25] what an agent was only offered goes to others at once when it %s; what it holds stays',
    (_name, act) => {
      const run = running()
      run.enqueue({ jobId: jobId(2) })
      act(run)
      expect(run.at(taskId('prepare', jobId(2)))).toBe('queued')
      expect(run.at(task)).toBe('granted 1')
      run.enqueue({ jobId: jobId(3) })
      expect(run.said).toEqual([])
    },
  )

  test('[R25] the reasons for waiting are said: one for each agent', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.disconnect(1)
    run.hello(2)
    run.says(2, { type: 'agent.draining', reason: 'update' })
    run.hello(3, { engines: [] })
    run.hello(4, { engines: [anEngine({ id: 'ctc', stages: ['transcribe'] })] })
    expect(run.enqueue().why).toBe(
      'waits for a free engine for prepare: box-1: offline; box-2: draining (update); box-3: has no engines; ' +
        'box-4: ctc does not serve prepare (it serves transcribe)',
    )
  })

  test('[R26] an agent away for a week is forgotten; one that is connected never is', () => {
    const run = new RegistryRun()
    run.hello(1)
    run.hello(2)
    run.disconnect(2)
    run.nowMs += 7 * 86_400_000
    run.hello(3)
    expect(run.state.agents.size).toBe(3)
    run.nowMs += 3_600_000
    run.hello(4)
    const left = [agentId(1), agentId(3), agentId(4)]
    expect([...run.state.agents.keys()]).toEqual(left)
    expect(run.records.read().map(({ id }) => id)).toEqual(left)
  })

  test('[R50] a socket that says no hello is closed after 10 s, also after an eviction; one that did stays', () => {
    const run = new RegistryRun()
    run.tell({ type: 'agent.connected', agentId: agentId(1), sessionId: 's1' })
    run.tell({ type: 'agent.connected', agentId: agentId(2), sessionId: 's2' })
    run.hello(2)
    expect(run.nextWakeMs).toBe(run.nowMs + 10_000)
    run.reload('s1', 's2')
    run.wakeAfter(9_999)
    expect(run.effects).toEqual([])
    run.wakeAfter(1)
    expect(run.effects).toMatchObject([
      { type: 'close', sessionId: 's1', code: 4002, reason: 'no hello within 10 s' },
    ])
    run.tell({ type: 'agent.connected', agentId: agentId(1), sessionId: 's3' })
    run.disconnect(1, 's3')
    run.wakeAfter(60_000)
    expect(run.effects).toEqual([])
  })
})
