import { expect, test } from 'vitest'
import type { AgentView, EngineView, JoinTokenView } from '#protocol/api.ts'
import { JoinTokenId, ModelId } from '#protocol/ids.ts'
import { json, problem } from '#tests/client/kit/scripted-server.ts'
import { AGENT_ID, anAgent, anEngine } from '#tests/site/kit/builders.ts'
import { server, terminal } from './kit/served.ts'

const asked = () =>
  server.requests.map(({ method, path, body }) => [method, path, JSON.parse(body.toString() || 'null')])
const AGENT = `/v1/agents/${AGENT_ID}`
const drained = (parts: Partial<AgentView> = {}) =>
  anAgent({ status: 'draining', why: 'drained by the operator (a\x1b[2Jb)', ...parts })

test('[CLI30] agents drain prints how the agent stands, and on stderr what follows', async () => {
  server.on(
    `POST ${AGENT}/drain`,
    json(drained({ running_tasks: 1 })),
    json(drained()),
    json(drained({ status: 'offline' })),
  )
  expect(await terminal.dalston('agents', 'drain', AGENT_ID)).toBe(0)
  expect(terminal.out).toBe(`${AGENT_ID} laptop draining: drained by the operator (a [2Jb)\n`)
  expect(terminal.err).toBe(
    'it gets no more tasks, 1 task runs to the end; `dalston agents undrain` takes that back\n',
  )
  terminal.err = ''
  expect(await terminal.dalston('agents', 'drain', AGENT_ID, '--leave', '--reason', 'new disk')).toBe(0)
  expect(terminal.err).toContain('nothing runs on it, then it leaves')
  expect(await terminal.dalston('agents', 'drain', AGENT_ID, '--leave')).toBe(0)
  expect(terminal.err).toContain('it is not connected, so it was not asked to leave')
  expect(asked()).toEqual([
    ['POST', `${AGENT}/drain`, { leave: false }],
    ['POST', `${AGENT}/drain`, { leave: true, reason: 'new disk' }],
    ['POST', `${AGENT}/drain`, { leave: true }],
  ])
})

test('[CLI30] agents undrain and rm; the list says why', async () => {
  server.on(`POST ${AGENT}/undrain`, json(anAgent()))
  server.on(`DELETE ${AGENT}`, (_, response) => void response.writeHead(204).end())
  server.on('GET /v1/agents', json({ agents: [drained()] }))
  expect(await terminal.dalston('agents', 'undrain', AGENT_ID)).toBe(0)
  expect(await terminal.dalston('agents', 'rm', AGENT_ID)).toBe(0)
  expect(terminal.out).toBe(`${AGENT_ID} laptop online\n${AGENT_ID} removed\n`)
  expect(terminal.err).toContain('a join token that is still good could let the machine in again')
  terminal.out = ''
  expect(await terminal.dalston('agents', 'ls')).toBe(0)
  expect(terminal.out).toMatch(/^AGENT .* WHY\nlaptop +draining .* drained by the operator \(a \[2Jb\)\n$/)
})

test('[CLI30] an agent that does not exist is exit 1 with the sentence of the server', async () => {
  server.on(`DELETE ${AGENT}`, problem('not_found', 404, 'There is no agent with this id.'))
  expect(await terminal.dalston('agents', 'rm', AGENT_ID)).toBe(1)
  expect(terminal.err).toContain('There is no agent with this id.')
  expect(terminal.out).toBe('')
})

test('[CLI31] agents tokens lists what was made without its secret, and how it stands', async () => {
  const id = JoinTokenId.parse(`token_${'0'.repeat(26)}`)
  const token = (parts: Partial<JoinTokenView>) => ({
    id,
    prefix: 'dj_abc',
    last_four: 'wxyz',
    pool: 'default',
    created_at: '2020-01-01T12:00:00Z',
    expires_at: '2099-01-01T12:00:00Z',
    used_count: 3,
    revoked_at: null,
    ...parts,
  })
  const revoked = token({ revoked_at: '2020-01-02T12:00:00Z', prefix: '', last_four: '' })
  const expired = token({ expires_at: '2020-01-02T12:00:00Z' })
  server.on('GET /v1/agents/tokens', json({ tokens: [token({}), expired, revoked] }))
  server.on(`DELETE /v1/agents/tokens/${id}`, (_, response) => void response.writeHead(204).end())
  expect(await terminal.dalston('agents', 'tokens')).toBe(0)
  const [, ...lines] = terminal.out.trimEnd().split('\n')
  expect(lines).toEqual([
    expect.stringMatching(/^token_0+ {2}dj_abc…wxyz {2}default {2}good .* 3$/),
    expect.stringMatching(/ expired /),
    expect.stringMatching(/ revoked /),
  ])
  terminal.out = ''
  expect(await terminal.dalston('agents', 'tokens', 'rm', id)).toBe(0)
  expect(terminal.out).toBe(`${id} revoked\n`)
})

test('[CLI32] engines ID shows the engine once, and each agent with status, slots, models and why not', async () => {
  const [loaded] = anEngine().models
  if (loaded === undefined) throw new Error('the builder gives an engine a model')
  const engines: EngineView[] = [
    anEngine({
      running_tasks: 1,
      active_sessions: 1,
      status: 'busy',
      why: 'its slot is taken',
      queued_tasks: 4,
    }),
    anEngine({
      agent_name: 'gpu',
      status: 'offline',
      why: 'not connected',
      slots: 8,
      models: [{ ...loaded, id: ModelId.parse('large'), loaded: false }],
    }),
  ]
  server.on('GET /v1/engines/ctc', json({ engines }))
  expect(await terminal.dalston('engines', 'ctc')).toBe(0)
  for (const line of [
    /^engine +ctc, CTC 0\.1\.0$/m,
    /^stages +transcribe$/m,
    /^interfaces +batch, realtime$/m,
    /^can +any language, word times$/m,
    /^queued +4$/m,
    /^laptop +busy +2\/2 +cpu +embedded-en \(loaded\) +agent_\w+ +its slot is taken$/m,
    /^gpu +offline +0\/8 +cpu +large +agent_\w+ +not connected$/m,
  ])
    expect(terminal.out).toMatch(line)
  server.on('GET /v1/engines/x', problem('not_found', 404, 'There is no engine "x". Expected one of: ctc.'))
  expect(await terminal.dalston('engines', 'x')).toBe(1)
  expect(terminal.err).toContain('Expected one of: ctc.')
})

test.each([
  [['agents'], 'agents: expected ls, drain, undrain, rm, token, tokens, got nothing'],
  [['agents', 'toString'], 'agents: expected ls, drain'],
  [['agents', 'drain'], 'ID is missing'],
  [['agents', 'rm', 'a', 'b'], 'unexpected argument: b'],
  [['agents', 'rm', 'a', '--leave'], "Unknown option '--leave'"],
  [['agents', 'tokens', 'rm'], 'ID is missing'],
  [['agents', 'tokens', 'ls'], 'unexpected argument: ls'],
  [['engines', 'a', 'b'], 'unexpected argument: b'],
])('[CLI9] %j is a usage error', async (parameters, sentence) => {
  expect(await terminal.dalston(...parameters)).toBe(2)
  expect(terminal.err).toContain(sentence)
  expect(server.requests).toEqual([])
})
