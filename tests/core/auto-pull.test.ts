import { describe, expect, test } from 'vitest'
import { whyWaitingForPull } from '#core/registry/auto-pull.ts'
import { operationView } from '#core/registry/operation-view.ts'
import { DEFAULTS } from '#core/settings.ts'
import { OperationId, TenantId } from '#protocol/ids.ts'
import {
  ASKED,
  announce,
  BASE,
  LARGE,
  ONE_ORDER,
  OPERATION,
  OTHER,
  order,
  ready,
  say,
  WHISPER,
  wait,
} from './kit/auto-pulls.ts'
import { agentId, aJob, EVERYTHING, jobId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'
import type { RegistryRun } from './kit/registry-run.ts'

const FULL = { code: 'disk_full', message: 'There is no room.', retryable: false }
const isPullOfBase = ({ message }: RegistryRun['sent'][number]) =>
  'model_id' in message && message.model_id === BASE
const givenUp = (run: RegistryRun) => run.state.outbox.has(`unavailable:${jobId()}`)

describe('the pull', () => {
  test('[AP1] an agent with the engine is told to pull, once, whoever else waits for it', () => {
    const run = ready()
    wait(run)
    expect(run.sent).toMatchObject([{ message: { type: 'model.order', action: 'pull', model_id: BASE } }])
    wait(run)
    wait(run, 2)
    expect(run.sent).toEqual([])
  })

  test('[AP1] one whose agent is away for long is begun anew on another when the job asks again', () => {
    const run = ready()
    wait(run)
    run.disconnect(1)
    run.nowMs += DEFAULTS.offlineMs + 1
    run.hello(2, { engines: [...EVERYTHING.slice(0, 1), WHISPER] })
    wait(run, 1, OTHER)
    expect(run.sent).toMatchObject([{ to: agentId(2), message: { operation_id: OTHER } }])
  })

  test('[AP1] so is one that was said to be done and brought no model', () => {
    const run = ready()
    wait(run)
    say(run, { state: 'completed', bytes_done: 100 })
    wait(run, 1, OTHER)
    expect(run.sent).toMatchObject([{ to: agentId(1), message: { operation_id: OTHER } }])
    say(run, { state: 'failed', error: FULL }, { operation_id: OTHER })
    wait(run, 1, OperationId.parse(`op_${'0'.repeat(25)}2`))
    expect(run.sent).toEqual([])
  })

  test('[AP8] for a job that has ended nothing is pulled: its call came late', () => {
    const cancelled = ready()
    cancelled.tell({ type: 'unwait', jobId: jobId() })
    wait(cancelled)
    expect([cancelled.sent, cancelled.state.waiting.size]).toEqual([[], 0])

    const failed = ready()
    wait(failed)
    say(failed, { state: 'failed', error: FULL })
    failed.tell({ type: 'effect.answered', id: `unavailable:${jobId()}`, answer: 'ok' })
    wait(failed, 1, OTHER)
    expect([failed.sent, failed.state.waiting.size]).toEqual([[], 0])
  })

  test('[AP7] on an agent that has room in its queue; where all are full, when the job asks again', () => {
    const run = ready(ONE_ORDER)
    order(run, LARGE, 1)
    wait(run)
    expect(run.sent.filter(isPullOfBase)).toEqual([])
    say(run, { state: 'completed' }, { model_id: LARGE, operation_id: OTHER })
    wait(run)
    expect(run.sent.filter(isPullOfBase)).toMatchObject([{ to: agentId(1) }])
    expect(whyWaitingForPull(run.state, jobId())).toContain('whisper-base is being pulled')

    const two = ready(ONE_ORDER)
    order(two, LARGE, 1)
    two.hello(2, { engines: [...EVERYTHING.slice(0, 1), WHISPER] })
    wait(two)
    expect(two.sent.filter(isPullOfBase)).toMatchObject([{ to: agentId(2) }])
  })

  test('[AP2] the job says how far it is, in steps of ten percent', () => {
    const run = ready()
    wait(run)
    say(run, { bytes_done: 41 })
    const why = 'the model whisper-base is being pulled on agent box-1: 41 %'
    expect(run.effects).toContainEqual({ type: 'job.waits', jobId: jobId(), why })
    expect(whyWaitingForPull(run.state, jobId())).toBe(why)
    say(run, { bytes_done: 44 })
    expect(run.effects.filter(({ type }) => type === 'job.waits')).toEqual([])
  })

  test('[AP3] the model is there: the job is told its engines', () => {
    const run = ready()
    wait(run)
    say(run, { state: 'completed', bytes_done: 100 })
    announce(run)
    run.wakeAfter(0, 1)
    expect(run.orders).toEqual([`selected:${jobId()}`])
  })

  test('[AP4] the pull failed: the job fails with its error, over an eviction too, and is off the list', () => {
    const run = ready()
    wait(run)
    const error = { code: 'hub_forbidden', message: 'Set HF_TOKEN.', retryable: false }
    say(run, { state: 'failed', error })
    const told = { ...error, message: 'The model whisper-base could not be pulled: Set HF_TOKEN.' }
    expect(run.effects).toContainEqual(
      expect.objectContaining({ effect: { type: 'job.unavailable', jobId: jobId(), error: told } }),
    )
    run.reload('s1')
    expect(run.state.outbox.has(`unavailable:${jobId()}`)).toBe(true)
    run.tell({ type: 'effect.answered', id: `unavailable:${jobId()}`, answer: 'ok' })
    expect(run.state.waiting.size).toBe(0)
    expect(operationView(run.state, OPERATION)).toMatchObject({ state: 'failed' })
  })

  test('[AP4] another pull of the model failed: the job waits for the one that goes on, or the other way round', () => {
    for (const [first, last] of [
      [OTHER, OPERATION],
      [OPERATION, OTHER],
    ] as const) {
      const run = ready()
      wait(run)
      order(run, BASE, 1)
      say(run, { state: 'failed', error: FULL }, { operation_id: first })
      expect(givenUp(run)).toBe(false)
      say(run, { state: 'failed', error: FULL }, { operation_id: last })
      expect(givenUp(run)).toBe(true)
    }
  })

  test('[AP9] its pull was cancelled: the job of who did that fails, another’s asks again', () => {
    const run = ready()
    wait(run)
    const other = { jobId: jobId(2), tenantId: TenantId.parse('other'), parameters: ASKED }
    const asks = () => run.tell({ type: 'wait', job: other, pongs: run.pongs, operationId: OTHER })
    asks()
    run.tell({ type: 'operation.cancel', operationId: OPERATION })
    const error = {
      code: 'model_pull_cancelled',
      message: 'The pull of the model whisper-base was cancelled.',
      retryable: false,
    }
    expect(run.effects).toContainEqual(
      expect.objectContaining({ effect: { type: 'job.unavailable', jobId: jobId(), error } }),
    )
    expect(run.state.outbox.has(`unavailable:${jobId(2)}`)).toBe(false)
    asks()
    expect(run.sent).toMatchObject([{ message: { type: 'model.order', operation_id: OTHER } }])
  })

  test('[AP4] one agent of several failed, and another has the model: the job is told its engines', () => {
    const run = ready()
    run.hello(2)
    order(run, BASE, 1, 2)
    wait(run)
    announce(run)
    say(run, { state: 'completed' }, { operation_id: OTHER })
    say(run, { state: 'failed', error: FULL }, { agent: 2, operation_id: OTHER })
    expect(givenUp(run)).toBe(false)
    run.wakeAfter(0, 1)
    expect(run.orders).toEqual([`selected:${jobId()}`])
  })

  test('[AP4] a job that is told so ends; one that has its engines does not', () => {
    const error = { code: 'hub_forbidden', message: 'Set HF_TOKEN.', retryable: false }
    const waiting = JobRun.created(aJob({ engines: [] }))
    expect(waiting.tell({ type: 'unavailable', error })).toBe('ok')
    expect(waiting.view).toMatchObject({ status: 'failed', error: { code: 'hub_forbidden' } })
    const running = JobRun.running()
    expect(running.tell({ type: 'unavailable', error })).toBe('stale')
  })
})
