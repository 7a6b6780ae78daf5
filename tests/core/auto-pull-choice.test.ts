import { describe, expect, test } from 'vitest'
import { autoPullFor, pullable } from '#core/registry/auto-pull.ts'
import { NO_PONGS, selectFor } from '#core/registry/presence.ts'
import { select } from '#core/select.ts'
import { DEFAULTS } from '#core/settings.ts'
import {
  ASKED,
  announce,
  BASE,
  CONTEXT,
  LARGE,
  MIB,
  model,
  ONE_ORDER,
  order,
  ready,
  WHISPER,
  wait,
} from './kit/auto-pulls.ts'
import { agentId, EVERYTHING, requirementsOf } from './kit/builders.ts'
import { RegistryRun } from './kit/registry-run.ts'

describe('whether a model is pulled for a job', () => {
  const wouldPull = (run: RegistryRun, asked: Parameters<typeof requirementsOf>[0], context = CONTEXT) => {
    const choice = select(requirementsOf(asked), [{ agentId: agentId(1), engine: WHISPER }], context.catalog)
    return choice.ok ? null : (pullable(run.state, choice.error, context)?.model.id ?? null)
  }

  test('[AP5] a named model is pulled; of others only the preferred one', () => {
    expect(wouldPull(ready(), { model_id: BASE })).toBe(BASE)
    expect(wouldPull(ready(), {})).toBeNull()
    const preferred = { ...CONTEXT.catalog, models: [model('a'), model('b', { preferred: true })] }
    expect(wouldPull(ready(), {}, { ...CONTEXT, catalog: preferred })).toBe('b')
  })

  const agents: [string, Parameters<RegistryRun['hello']>[1], boolean][] = [
    ['room', { models_free_bytes: 200 * MIB, memory_mib: 4000 }, true],
    ['a full disk', { models_free_bytes: 99 * MIB }, false],
    ['too little memory', { memory_mib: 300 }, false],
    ['another engine', { engines: EVERYTHING }, false],
  ]
  test.each(agents)('[AP6] on an agent with %s: %j', (_name, parts, isPulled) => {
    const run = new RegistryRun(CONTEXT)
    run.hello(1, { engines: [WHISPER], ...parts })
    expect(wouldPull(run, { model_id: BASE })).toBe(isPulled ? BASE : null)
  })

  test('[AP7] not while all who could hold it have as many orders as may wait, and none is this pull', () => {
    const autoPull = (run: RegistryRun) => {
      const choice = selectFor(run.state, ASKED, NO_PONGS, run.nowMs, ONE_ORDER)
      return autoPullFor(run.state, choice, run.nowMs, ONE_ORDER)
    }
    const run = ready(ONE_ORDER)
    expect(autoPull(run)).toEqual({ kind: 'pull' })
    order(run, LARGE, 1)
    expect(autoPull(run)).toEqual({ kind: 'full', agents: ['box-1'] })
    const joined = ready(ONE_ORDER)
    wait(joined)
    expect(autoPull(joined)).toEqual({ kind: 'pull' })
    announce(joined)
    expect(autoPull(joined)).toEqual({ kind: 'none' })
  })

  test('[AP6] not where the operator has it off, and not on an agent that is out of service', () => {
    const off = { ...CONTEXT, settings: DEFAULTS }
    expect(wouldPull(ready(off), { model_id: BASE }, off)).toBeNull()
    const drained = ready()
    drained.tell({ type: 'cordon', agentId: agentId(1), reason: 'new disk' })
    expect(wouldPull(drained, { model_id: BASE })).toBeNull()
  })
})
