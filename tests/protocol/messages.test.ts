import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { AgentMessage, ServerMessage } from '#protocol/agent-messages.ts'
import { JobEvent } from '#protocol/events.ts'
import { CreateJobFields } from '#protocol/submit.ts'

/** Golden messages: one file for each message of the wire, as it was agreed. `<wire>-<type>[-<variant>].json`. */
const FOLDER = new URL('golden/', import.meta.url)
const WIRES = { agent: AgentMessage, server: ServerMessage, event: JobEvent } as const
const files = readdirSync(FOLDER).sort()

function wireOf(file: string): z.ZodType {
  const wire = file.slice(0, file.indexOf('-'))
  if (wire === 'agent' || wire === 'server' || wire === 'event') return WIRES[wire]
  throw new Error(`expected golden/${file} to begin with agent-, server- or event-`)
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'))
}

test.each(files)('[PW1] %s is understood, and nothing of it is lost or added', (file) => {
  expect(wireOf(file).parse(read(file))).toEqual(read(file))
})

test.each(Object.entries(WIRES))('[PW1] every message of the %s wire has its golden file', (wire, schema) => {
  const types = schema.options.map((option) => [...option.shape.type.values][0])
  const golden = files.filter((file) => file.startsWith(`${wire}-`)).map((file) => read(file))
  for (const type of types)
    expect(golden, `${wire}-${type}.json`).toContainEqual(expect.objectContaining({ type }))
})

test.each(files)('[PW2, L4] %s with an unknown field is refused', (file) => {
  const message = read(file)
  const result = wireOf(file).safeParse({ ...(message as object), surprise: 1 })
  expect(result.error?.issues[0]).toMatchObject({ code: 'unrecognized_keys', keys: ['surprise'] })
})

test.each(files)('[PW2] %s without any one of its fields is refused, with the path', (file) => {
  const message = read(file) as Record<string, unknown>
  for (const key of Object.keys(message)) {
    const { [key]: _left, ...rest } = message
    const result = wireOf(file).safeParse(rest)
    expect(result.success, key).toBe(false)
    expect(result.error?.issues[0]?.path[0], key).toBe(key)
  }
})

describe('bad messages', () => {
  const golden = (file: string) => read(file) as Record<string, unknown>
  const bad: [string, z.ZodType, unknown, string, string][] = [
    ['no object', AgentMessage, 'hello', '', 'expected object'],
    ['an unknown type', AgentMessage, { type: 'agent.howdy' }, 'type', 'Invalid'],
    ['fence 0', AgentMessage, { ...golden('agent-task.accept.json'), fence: 0 }, 'fence', '>=1'],
    [
      'a job id as task id',
      AgentMessage,
      { ...golden('agent-task.accept.json'), task_id: 'job_1' },
      'task_id',
      'expected a task id',
    ],
    [
      'percent 101',
      AgentMessage,
      { ...golden('agent-task.progress.json'), progress: { percent: 101, message: null } },
      'progress.percent',
      '<=100',
    ],
    [
      'an artifact name that is a path',
      AgentMessage,
      {
        ...golden('agent-task.result-completed.json'),
        outcome: {
          status: 'completed',
          artifacts: [{ name: '../x', key: 'k', size_bytes: 1, content_type: 'a/b' }],
          summary: (golden('agent-task.result-completed.json').outcome as { summary: unknown }).summary,
          metrics: { transfer_ms: 0, swap_ms: 0, load_ms: 0, run_ms: 0 },
        },
      },
      'outcome.artifacts.0.name',
      'expected an artifact name',
    ],
    [
      'an error code with spaces',
      AgentMessage,
      {
        ...golden('agent-task.result-failed.json'),
        outcome: { status: 'failed', error: { code: 'Not Good', message: 'x', retryable: true } },
      },
      'outcome.error.code',
      'expected a snake_case code',
    ],
    [
      'an ack with another answer',
      ServerMessage,
      { ...golden('server-task.ack.json'), answer: 'ok' },
      'answer',
      'Invalid',
    ],
    [
      'a time without a zone',
      JobEvent,
      { ...golden('event-task.started.json'), at: '2025-01-01T00:00' },
      'at',
      'Invalid',
    ],
    ['a language in words', CreateJobFields, { language: 'English' }, 'language', ''],
    ['a pool with a slash', CreateJobFields, { pool: 'a/b' }, 'pool', 'expected a pool name'],
  ]
  test.each(bad)('[PW3] %s is refused with a path and a reason', (_name, schema, value, path, reason) => {
    const issue = schema.safeParse(value).error?.issues[0]
    expect(issue?.path.join('.')).toBe(path)
    expect(issue?.message).toContain(reason)
  })
})
