import { describe, expect, test } from 'vitest'
import { joinLine } from '#fragments/agents.ts'
import { enginesPage } from '#fragments/engines.ts'
import { jobsList } from '#fragments/jobs.ts'
import { problemNotice } from '#fragments/notice.ts'
import { uploadForm } from '#fragments/upload.ts'
import { AgentId, newId, Pool } from '#protocol/ids.ts'
import { aJob, aModel, anAgent, anEngine, aSummary, at, NOW_MS, TOKEN_ID } from './kit/builders.ts'
import { attributes, byId, textOf } from './kit/dom.ts'

const VISIT = { origin: 'https://dalston.test', csrfToken: 'c5f', nowMs: NOW_MS }
const ALL = { status: null, cursor: null }
const HOSTILE = '<script>alert(1)</script>.wav'
const OTHER_AGENT = AgentId.parse(newId('agent', NOW_MS, new Uint8Array(16).fill(9)))

describe('the jobs list', () => {
  test('[U1] escapes names and errors', () => {
    const job = aJob({ name: HOSTILE, error: { code: 'x', message: '<b>no</b>', stage: null } })
    const markup = jobsList({ jobs: [aSummary(job)], cursor: null, has_more: false }, ALL, VISIT).markup
    expect(markup).not.toMatch(/<(script|b)>/)
    expect(textOf(markup)).toContain(HOSTILE)
  })

  test('[U16] filters by status through plain links, and refreshes what it shows', () => {
    const view = { status: 'failed', cursor: 'c&1' } as const
    const markup = jobsList({ jobs: [aSummary(aJob())], cursor: 'c2', has_more: true }, view, VISIT).markup
    expect(attributes(markup, 'hx-get')).toEqual(['/ui/jobs?status=failed&amp;cursor=c%261'])
    expect(markup).toMatch(/href="\/jobs\?status=failed" aria-current="true">failed</)
    expect(attributes(markup, 'href')).toContain('/jobs?status=failed&amp;cursor=c2')
  })

  test('[U16] without jobs shows how to send one', () => {
    const text = textOf(jobsList({ jobs: [], cursor: null, has_more: false }, ALL, VISIT).markup)
    expect(text).toContain(
      'curl -H "Authorization: Bearer $DALSTON_API_KEY" -F file=@call.wav https://dalston.test/v1/audio/transcriptions',
    )
  })

  test('[U16] a filter without jobs does not claim that there are none at all', () => {
    const view = { status: 'cancelled', cursor: null } as const
    const text = textOf(jobsList({ jobs: [], cursor: null, has_more: false }, view, VISIT).markup)
    expect(text).toContain('No cancelled jobs.')
    expect(text).not.toContain('No jobs yet')
  })
})

describe('the upload form', () => {
  test('[U19] offers the models and the languages that they speak, and says what no agent serves', () => {
    const markup = uploadForm(
      [aModel({ languages: ['en', 'de'] }), aModel({ name: 'Away', available_on: [] })],
      VISIT,
    ).markup
    expect(textOf(markup)).toContain('automatic Embedded English Away (no agent serves it now)')
    expect(markup).toMatch(/<option value="de">German<.*<option value="en">English</)
    expect(markup).toContain('type="file" name="file" multiple')
  })

  test('[U19] a model of any language offers the common ones', () => {
    expect(uploadForm([aModel({ languages: null })], VISIT).markup).toContain('value="ja"')
  })
})

describe('the engines page', () => {
  const fleet = (engines = [anEngine()], agents = [anAgent()]) =>
    enginesPage({ engines, models: [aModel()], agents }, VISIT).markup

  test('[U15] an engine on two agents is one card with the sum of its numbers, its shared queue counted once', () => {
    const first = anEngine({ running_tasks: 1, active_sessions: 1, queued_tasks: 4 })
    const second = anEngine({ agent_id: OTHER_AGENT, agent_name: 'gpu-box', queued_tasks: 4, slots: 6 })
    const card = byId(fleet([first, second]), 'engine-ctc')
    expect(textOf(card)).toContain('Waiting 4 Running 1 Live sessions 1 Slots used 2 of 8')
    expect(textOf(card)).toContain('laptop cpu ready gpu-box')
  })

  test('[U15] stages come from the engines, in pipeline order; an engine of several stands once, under its first', () => {
    const stages = ['transcribe', 'align'] as const
    const markup = fleet([
      anEngine({ stages: [...stages] }),
      anEngine({ engine_id: 'prepare', stages: ['prepare'] }),
    ])
    expect([...markup.matchAll(/<h2 id="group-(\w+)"/g)].map((match) => match[1])).toEqual([
      'prepare',
      'transcribe',
    ])
    expect(textOf(byId(markup, 'engine-ctc'))).toContain('also Align')
  })

  test('[U15] lists the models of an engine, and counts instead of one flag for the engine', () => {
    const text = textOf(byId(fleet(), 'engine-ctc'))
    expect(text).toContain('1 model 1 of 1 with word times')
    expect(text).toContain('Embedded English embedded-en loaded embedded en')
  })

  test('[U15] counts an engine as ready when one of its agents can work', () => {
    const gone = anEngine({ agent_id: OTHER_AGENT, status: 'offline' })
    expect(textOf(fleet([anEngine(), gone]))).toContain('Engines ready 1 of 1')
    expect(textOf(fleet([gone]))).toContain('Engines ready 0 of 1')
  })

  test('[U15] without an agent tells how one comes, and makes its line only when asked', () => {
    const markup = fleet([], [])
    expect(textOf(markup)).toContain('No agent is connected.')
    expect(markup).toContain('hx-post="/ui/agents/tokens"')
    const line = joinLine(
      { id: TOKEN_ID, token: 'dj_x', pool: Pool.parse('default'), expires_at: at(86_400) },
      VISIT,
    ).markup
    expect(textOf(line)).toContain('npx dalston agent --server https://dalston.test --token dj_x')
  })

  test('[U30] an engine or agent that gets no tasks says why; a busy one need not', () => {
    const why = 'drained by the operator (<b>disk</b>)'
    const away = anEngine({ agent_id: OTHER_AGENT, agent_name: 'gpu-box', status: 'draining', why })
    const busy = anEngine({ status: 'busy', why: 'its slot is taken' })
    const markup = fleet([busy, away], [anAgent({ status: 'draining', why })])
    expect(textOf(byId(markup, 'engine-ctc'))).toContain(`laptop cpu busy gpu-box cpu ${why} draining`)
    expect(textOf(byId(markup, 'agents'))).toContain(`laptop ${why} draining`)
    expect(markup).not.toContain('<b>')
  })

  test('[U1] escapes what agents say of themselves', () => {
    const markup = fleet(
      [anEngine({ device: '<b>', agent_name: '<i>' })],
      [anAgent({ name: '<u>', platform: '<s>' })],
    )
    expect(markup).not.toMatch(/<[bius]>/)
  })
})

test('a problem shows its fields, the reasons of engines and the command that helps', () => {
  const text = textOf(
    problemNotice({
      type: '/problems/no_capable_engine',
      title: 'No engine that runs now can do this',
      status: 422,
      detail: 'No engine speaks hr.',
      instance: '/v1',
      code: 'no_capable_engine',
      request_id: 'req_1',
      running_engines: [{ engine_id: 'ctc', agent_id: 'a', reason: 'speaks en only' }],
      catalog_alternatives: [
        { engine_id: 'whisper', model_id: null, command: 'dalston models pull whisper' },
      ],
    }).markup,
  )
  expect(text).toContain('No engine speaks hr. ctc: speaks en only dalston models pull whisper Request req_1')
})
