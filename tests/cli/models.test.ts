import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { ModelId } from '#protocol/ids.ts'
import type { ModelOperationView } from '#protocol/model-order.ts'
import { json, problem, stream } from '#tests/client/kit/scripted-server.ts'
import { AGENT_ID, aModel, anAgent, anEngine } from '#tests/site/kit/builders.ts'
import { anOperation, OPERATION, OPERATIONS } from './kit/operations.ts'
import { server, terminal } from './kit/served.ts'

const event = (view: ModelOperationView) => `event: operation\ndata: ${JSON.stringify(view)}\n\n`

/** The server takes the order and shows these views; the first stream breaks where there are several. */
function pulls(...streams: ModelOperationView[][]): void {
  const [first = anOperation('running', {})] = streams[0] ?? []
  server.on(`POST ${OPERATIONS}`, json(first, 202))
  const answers = streams.map((views, index) =>
    stream(views.map(event), index + 1 < streams.length ? 'cut' : 'end'),
  )
  const [head, ...rest] = answers
  if (head !== undefined) server.on(`GET ${OPERATIONS}/${OPERATION}/events`, head, ...rest)
}

const ordered = () => {
  const request = server.requests.find(({ method, path }) => method === 'POST' && path === OPERATIONS)
  return request === undefined ? null : JSON.parse(request.body.toString())
}

describe('pull, rm, pin, unpin, prefetch', () => {
  test('[CLI33] pull orders every agent, shows how far all are, and ends with them', async () => {
    pulls([
      anOperation('running', {}, {}),
      anOperation('running', { bytes_done: 500_000_000 }, { state: 'completed', bytes_done: 1_000_000_000 }),
      anOperation(
        'completed',
        { state: 'completed', bytes_done: 1e9 },
        { state: 'completed', bytes_done: 1e9 },
      ),
    ])
    expect(await terminal.dalston('models', 'pull', 'whisper-base')).toBe(0)
    expect(ordered()).toEqual({ action: 'pull', model: 'whisper-base', target: { kind: 'fleet' } })
    expect(terminal.err).toBe(
      [
        'box-1  pulling  0 B of 1.0 GB',
        'box-2  pulling  0 B of 1.0 GB',
        'box-2  completed',
        'whisper-base  70 %  1.5 GB of 2.0 GB',
        'box-1  completed',
        'whisper-base  100 %  2.0 GB of 2.0 GB',
        '',
      ].join('\n'),
    )
  })

  test('[CLI33] a stream that breaks is opened again', async () => {
    pulls([anOperation('running', {})], [anOperation('completed', { state: 'completed' })])
    expect(await terminal.dalston('models', 'pull', 'whisper-base', '--json')).toBe(0)
    expect(JSON.parse(terminal.out)).toMatchObject({ id: OPERATION, state: 'completed' })
  })

  test('[CLI33] one that failed says where and why, and the shell learns', async () => {
    const error = { code: 'disk_full', message: 'There is no room: 3 GB are needed.', retryable: false }
    pulls([anOperation('failed', { state: 'failed', error })])
    expect(await terminal.dalston('models', 'pull', 'whisper-base')).toBe(1)
    expect(terminal.err).toBe('box-1  failed: There is no room: 3 GB are needed.\n')
  })

  const targets: [string[], object][] = [
    [['--label', 'gpu'], { kind: 'label', label: 'gpu' }],
    [['--agent', AGENT_ID], { kind: 'agent', agent_id: AGENT_ID }],
    [['--agent', 'laptop'], { kind: 'agent', agent_id: AGENT_ID }],
  ]
  test.each(targets)('[CLI34] %j is %j', async (flags, target) => {
    server.on('GET /v1/agents', json({ agents: [anAgent()] }))
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    expect(await terminal.dalston('models', 'rm', 'whisper-base', '--no-wait', ...flags)).toBe(0)
    expect(ordered()).toEqual({ action: 'remove', model: 'whisper-base', target })
    expect(terminal.out).toBe(`${OPERATION}\n`)
  })

  test('[CLI34] a name that nobody or more than one has is refused before anything is asked', async () => {
    server.on('GET /v1/agents', json({ agents: [] }), json({ agents: [anAgent(), anAgent()] }))
    expect(await terminal.dalston('models', 'pin', 'x', '--agent', 'laptop')).toBe(1)
    expect(terminal.err).toContain('no agent has that name')
    expect(await terminal.dalston('models', 'pin', 'x', '--agent', 'laptop')).toBe(1)
    expect(terminal.err).toContain('2 agents have that name, use an id')
    expect(ordered()).toBeNull()
  })

  test('[CLI33] a stream that ends before the operation does is opened again', async () => {
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    const last = event(anOperation('completed', { state: 'completed' }))
    server.on(
      `GET ${OPERATIONS}/${OPERATION}/events`,
      stream([event(anOperation('running', {}))]),
      stream([last]),
    )
    expect(await terminal.dalston('models', 'pull', 'whisper-base')).toBe(0)
  })

  test('[CLI33] Ctrl-C leaves; the operation goes on, and stdout stays clean', async () => {
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    server.on(`GET ${OPERATIONS}/${OPERATION}/events`, (request, response) => {
      terminal.interrupt()
      return stream([event(anOperation('running', {}))], 'open')(request, response)
    })
    expect(await terminal.dalston('models', 'pull', 'whisper-base', '--json')).toBe(130)
    expect(terminal.out).toBe('')
    expect(terminal.err).toContain(`it goes on without you; to end it: dalston models cancel ${OPERATION}\n`)
  })

  test('[CLI33] what agents and servers call themselves moves no cursor', async () => {
    const error = { code: 'x', message: 'no \x1b[2Jroom', retryable: false }
    pulls([anOperation('failed', { name: 'b\x1b]0;x\x07ox', state: 'failed', error })])
    await terminal.dalston('models', 'pull', 'whisper-base')
    server.on(`POST ${OPERATIONS}`, problem('conflict', 409, 'none \x1b[2J here'))
    await terminal.dalston('models', 'pull', 'whisper-base')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(terminal.err.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/)
    expect(terminal.err).toContain('here')
  })

  test('[CLI34] in another pool, agents go by their ids, and the operation is watched there', async () => {
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    const route = `GET ${OPERATIONS}/${OPERATION}/events?pool=annex`
    server.on(route, stream([event(anOperation('completed', { state: 'completed' }))]))
    const elsewhere = ['models', 'pull', 'x', '--pool', 'annex']
    expect(await terminal.dalston(...elsewhere, '--agent', AGENT_ID)).toBe(0)
    expect(ordered()).toMatchObject({ pool: 'annex' })
    expect(await terminal.dalston(...elsewhere, '--agent', 'laptop')).toBe(2)
  })

  test('[CLI33] prefetch says how long', async () => {
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    await terminal.dalston('models', 'prefetch', 'x', '--keep-alive', '60', '--no-wait')
    expect(ordered()).toMatchObject({ action: 'prefetch', keep_alive_seconds: 60 })
  })

  test('[CLI33] a full queue is “try later”', async () => {
    server.on(
      `POST ${OPERATIONS}`,
      problem('model_queue_full', 503, 'box-1: as many orders wait there as may.'),
    )
    expect(await terminal.dalston('models', 'pull', 'x')).toBe(6)
  })

  test('[CLI35] an entry of one’s own goes along with the order; a broken one names file and field', async () => {
    const folder = join(terminal.file('data'), 'agent', 'models', 'catalog')
    mkdirSync(folder, { recursive: true })
    const { available_on: _a, loaded_on: _l, pinned_on: _p, ...entry } = aModel({ id: ModelId.parse('own') })
    writeFileSync(join(folder, 'own.yaml'), JSON.stringify(entry))
    server.on(`POST ${OPERATIONS}`, json(anOperation('running', {}), 202))
    expect(await terminal.dalston('models', 'pull', 'own', '--no-wait')).toBe(0)
    expect(ordered()).toMatchObject({ model: 'own', entry: { id: 'own', engine: 'ctc' } })
    writeFileSync(join(folder, 'own.yaml'), JSON.stringify({ ...entry, licence: 'MIT' }))
    expect(await terminal.dalston('models', 'pull', 'own')).toBe(1)
    expect(terminal.err).toMatch(/own\.yaml: .*licence/)
    writeFileSync(join(folder, 'own.yaml'), JSON.stringify({ ...entry, id: 'else' }))
    expect(await terminal.dalston('models', 'pull', 'own')).toBe(1)
    expect(terminal.err).toContain('own.yaml: id: expected the name of its file, got else')
  })
})

describe('ls, show, ps', () => {
  test('[CLI36] ls tells state, size and what is the default; show everything; ps what lies in memory', async () => {
    const turbo = aModel({
      id: ModelId.parse('turbo'),
      languages: null,
      available_on: [],
      loaded_on: [],
      embedded: false,
      preferred: true,
      verified: false,
      files: [{ path: 'a.onnx', sha256: null, size_bytes: null }],
    })
    server.on('GET /v1/models', json({ models: [aModel(), turbo] }))
    expect(await terminal.dalston('models', 'ls', '--engine', 'ctc')).toBe(0)
    expect(server.requests[0]?.path).toBe('/v1/models?engine_id=ctc')
    expect(terminal.out).toMatch(
      /embedded-en +ctc +en +loaded on 1 agent +1 B +Apache-2.0 +for trying the system/,
    )
    expect(terminal.out).toMatch(
      /turbo +ctc +any +not pulled +unknown +\S+ +the default once pulled, not verified/,
    )
    server.on('GET /v1/models/embedded-en', json(aModel()))
    server.on('GET /v1/agents', json({ agents: [anAgent()] }))
    terminal.out = ''
    expect(await terminal.dalston('models', 'show', 'embedded-en')).toBe(0)
    expect(terminal.out).toMatch(/in memory +laptop/)
    expect(terminal.out).toMatch(/model.onnx +1 B +a{64}/)
    const everywhere = Array.from({ length: 25 }, () => AGENT_ID)
    server.on('GET /v1/models/embedded-en', json(aModel({ available_on: everywhere })))
    await terminal.dalston('models', 'show', 'embedded-en')
    expect(terminal.out).toMatch(/on disk +(laptop, ){20}5 more\n/)
    server.on('GET /v1/engines', json({ engines: [anEngine()] }))
    terminal.out = ''
    expect(await terminal.dalston('models', 'ps')).toBe(0)
    expect(terminal.out).toMatch(/embedded-en +laptop +ctc +cpu +268 MB/)
  })
})

test('[CLI36] what is there comes first, with the size that its agents tell where the catalog knows none', async () => {
  const sizeless = { files: [{ path: 'a.onnx', sha256: null, size_bytes: null }] }
  const away = aModel({ id: ModelId.parse('away'), ...sizeless, available_on: [], loaded_on: [] })
  const engine = anEngine()
  const [announced] = engine.models
  if (announced === undefined) throw new Error('expected an engine with a model')
  const here = aModel({ id: ModelId.parse('here'), ...sizeless })
  server.on('GET /v1/models', json({ models: [away, here] }))
  const told = { ...announced, id: ModelId.parse('here'), size_bytes: 670_000_000 }
  server.on('GET /v1/engines', json({ engines: [{ ...engine, models: [told] }] }))
  expect(await terminal.dalston('models', 'ls')).toBe(0)
  expect(terminal.out).toMatch(/here .* 670 MB .*\naway .* unknown /)
})

describe('entries of this machine', () => {
  const {
    available_on: _a,
    loaded_on: _l,
    pinned_on: _p,
    ...own
  } = aModel({ id: ModelId.parse('own'), license: 'MIT' })
  beforeEach(() => {
    const folder = join(terminal.file('data'), 'agent', 'models', 'catalog')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'own.yaml'), JSON.stringify({ ...own, embedded: false }))
    writeFileSync(join(folder, 'broken.yaml'), 'id: [')
  })

  test('[CLI36] are listed and shown before an agent has them, and count for what they say', async () => {
    server.on('GET /v1/models', json({ models: [aModel()] }))
    server.on('GET /v1/models/own', problem('not_found', 404, 'There is no model "own".'))
    server.on('GET /v1/agents', json({ agents: [anAgent()] }))
    expect(await terminal.dalston('models', 'ls')).toBe(0)
    expect(terminal.out).toMatch(/own +ctc +en +not pulled +1 B +MIT/)
    expect(terminal.err).toMatch(/broken\.yaml: expected YAML/)
    expect(await terminal.dalston('models', 'show', 'own')).toBe(0)
    expect(terminal.out).toMatch(/license +MIT/)
    server.on('GET /v1/models', json({ models: [aModel({ id: ModelId.parse('own'), license: 'unknown' })] }))
    terminal.out = ''
    await terminal.dalston('models', 'ls', '--stage', 'transcribe')
    expect(terminal.out).toMatch(/own +ctc +en +loaded on 1 agent +1 B +MIT/)
  })

  test('[CLI40] a job for one that no agent has is told the command', async () => {
    server.on('POST /v1/audio/transcriptions', problem('model_not_found', 404, 'There is no model "own".'))
    const recording = terminal.write('a.wav')
    expect(await terminal.dalston('transcribe', recording, '--model', 'own')).toBe(1)
    expect(terminal.err).toContain('\n  own was added on this machine; try: dalston models pull own\n')
  })
})

test('[CLI33] without a terminal an agent that goes is a line, and what fetches nothing has no percentage', async () => {
  const at = { bytes_done: 500_000_000 }
  const done = { state: 'completed', bytes_total: null, bytes_done: 0 } as const
  pulls([
    anOperation('running', at),
    anOperation('running', { ...at, connected: false }),
    { ...anOperation('completed', done), bytes_total: null },
  ])
  await terminal.dalston('models', 'pull', 'whisper-base')
  expect(terminal.err).toBe(
    [
      'box-1  pulling  500 MB of 1.0 GB',
      'whisper-base  50 %  500 MB of 1.0 GB',
      'box-1  pulling, it is not connected: it goes on when it is back',
      'box-1  completed',
      '',
    ].join('\n'),
  )
})
