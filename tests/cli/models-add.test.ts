import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ModelId } from '#protocol/ids.ts'
import { CatalogModel } from '#protocol/model.ts'
import { json, text } from '#tests/client/kit/scripted-server.ts'
import { aModel } from '#tests/site/kit/builders.ts'
import { server, terminal } from './kit/served.ts'

const SHA = 'c'.repeat(40)
const NAME = 'owner/Tiny-Own'
const FILES = [
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'onnx/encoder_model.onnx',
  'onnx/decoder_model_merged.onnx',
  'onnx/encoder_model_quantized.onnx',
  'onnx/decoder_model_merged_quantized.onnx',
]
const siblings = (files: readonly string[]) =>
  files.map((rfilename) => ({
    rfilename,
    size: 10,
    ...(rfilename.endsWith('.onnx') ? { lfs: { sha256: 'd'.repeat(64), size: 99, pointerSize: 1 } } : {}),
  }))

function hub(
  files: readonly string[],
  config: object,
  card: object | null = { license: 'mit', language: ['en'] },
  generation: object = {},
): void {
  server.on(
    `GET /api/models/${NAME}`,
    json({ sha: SHA, gated: false, cardData: card, siblings: siblings(files) }),
  )
  server.on(`GET /${NAME}/resolve/${SHA}/config.json`, json(config))
  server.on(`GET /${NAME}/resolve/${SHA}/generation_config.json`, json(generation))
}

describe('add', () => {
  const path = () => join(terminal.file('data'), 'agent', 'models', 'catalog', 'tiny-own.yaml')
  const add = (...flags: string[]) => terminal.dalston('models', 'add', `hf:${NAME}`, ...flags)

  test('[CLI37] it reads the repository’s files and writes the entry, saying what it could not tell', async () => {
    hub(FILES, { model_type: 'whisper' })
    expect(await add()).toBe(0)
    expect(terminal.out).toBe(`${path()}\n`)
    expect(terminal.err).toContain('could not be told: how much memory it takes')
    const entry = CatalogModel.parse(parse(readFileSync(path(), 'utf8')))
    expect(entry).toMatchObject({
      id: 'tiny-own',
      engine: 'whisper',
      precision: 'int8',
      languages: ['en'],
      license: 'mit',
      verified: false,
      source: { kind: 'hub', repository: NAME, revision: SHA },
    })
    expect(entry.files.at(-1)).toEqual({
      path: 'onnx/decoder_model_merged_quantized.onnx',
      sha256: 'd'.repeat(64),
      size_bytes: 99,
    })
    expect(await add()).toBe(1)
    expect(terminal.err).toContain('is there already')
  })

  const layouts: [string, string[], object, string, string][] = [
    ['fp32', FILES, { model_type: 'whisper' }, 'whisper', 'onnx/decoder_model_merged.onnx'],
    [
      'int8',
      ['config.json', 'vocab.txt', 'encoder-model.int8.onnx', 'decoder_joint-model.int8.onnx'],
      { model_type: 'nemo-conformer-tdt' },
      'parakeet',
      'decoder_joint-model.int8.onnx',
    ],
    [
      'fp32',
      [
        'config.json',
        'vocab.txt',
        'encoder-model.onnx',
        'encoder-model.onnx.data',
        'decoder_joint-model.onnx',
      ],
      { model_type: 'nemo-conformer-tdt' },
      'parakeet',
      'encoder-model.onnx.data',
    ],
    [
      'fp16',
      ['config.json', 'vocab.json', 'onnx/model_fp16.onnx'],
      { model_type: 'hubert' },
      'ctc',
      'onnx/model_fp16.onnx',
    ],
  ]
  test.each(layouts)('[CLI37] --precision %s of %j', async (precision, files, config, engine, needed) => {
    hub(files, config, null)
    expect(await add('--precision', precision)).toBe(0)
    const entry = CatalogModel.parse(parse(readFileSync(path(), 'utf8')))
    expect(entry).toMatchObject({ engine, precision, languages: null, license: 'unknown' })
    expect(entry.files.map((file) => file.path)).toContain(needed)
  })

  const heads = { alignment_heads: [[0, 1]] }
  const CTC = ['config.json', 'vocab.json', 'onnx/model.onnx']
  const DECODER = 'onnx/decoder_model_merged_quantized.onnx'
  const attentive = 'graph … cross_attentions.0 …'
  const wordTimes: [string, string[], string, object, string, boolean][] = [
    ['frames have times', CTC, 'wav2vec2', {}, '', true],
    ['no heads are named', FILES, 'whisper', {}, attentive, false],
    ['the decoder gives no attentions', FILES, 'whisper', heads, 'graph', false],
    ['the decoder gives attentions', FILES, 'whisper', heads, attentive, true],
  ]
  test.each(wordTimes)(
    '[CLI43] word times: %s',
    async (_what, files, model_type, generation, decoder, are) => {
      hub(files, { model_type }, null, generation)
      server.on(`GET /${NAME}/resolve/${SHA}/${DECODER}`, text(decoder))
      expect(await add()).toBe(0)
      const entry = CatalogModel.parse(parse(readFileSync(path(), 'utf8')))
      expect(entry.capabilities.word_timestamps).toBe(are)
      expect(terminal.err.includes('could not be told: whether it gives word times')).toBe(false)
    },
  )

  test('[CLI43] word times: a decoder that cannot be read is told of', async () => {
    hub(FILES, { model_type: 'whisper' }, null, heads)
    server.on(`GET /${NAME}/resolve/${SHA}/${DECODER}`, text('', 500))
    expect(await add()).toBe(0)
    expect(terminal.err).toContain('could not be told: whether it gives word times')
    expect(readFileSync(path(), 'utf8')).toContain('# Could not be told: whether it gives word times')
  })

  test.each([
    ['owner/whisper-large-v3-turbo', [], 'the built-in model whisper-large-v3-turbo (onnx-community/'],
    ['owner/Turbo', [], 'a name of the built-in model whisper-large-v3-turbo'],
    [NAME, ['--id', 'whisper-large-v3-turbo'], 'the built-in model whisper-large-v3-turbo'],
  ])('[CLI43] %s %j would hide a built-in model: refused, with what to do', async (name, flags, sentence) => {
    expect(await terminal.dalston('models', 'add', `hf:${name}`, ...flags)).toBe(1)
    expect(terminal.err).toContain(sentence)
    expect(terminal.err).toContain('`dalston models pull whisper-large-v3-turbo` brings that one')
    expect(terminal.err).toContain('--id')
    expect(server.requests).toEqual([])
    expect(existsSync(join(terminal.file('data'), 'agent', 'models', 'catalog'))).toBe(false)
  })

  const wrong: [string, () => void, string][] = [
    ['another kind of model', () => hub(FILES, { model_type: 'llama' }), 'model_type: expected whisper'],
    ['no config', () => hub(['model.onnx'], {}), 'got none'],
    [
      'a missing file',
      () => hub(FILES.slice(0, 3).concat(FILES.slice(4)), { model_type: 'whisper' }),
      'tokenizer.json is missing',
    ],
    ['no networks', () => hub(FILES.slice(0, 4), { model_type: 'whisper' }), 'no ONNX files'],
    [
      'a page instead of JSON',
      () => server.on(`GET /api/models/${NAME}`, text('<html>')),
      'is the address of a hub',
    ],
    ['401', () => server.on(`GET /api/models/${NAME}`, text('', 401)), 'set HF_TOKEN'],
    ['404', () => server.on(`GET /api/models/${NAME}`, text('', 404)), 'no such repository'],
    ['429', () => server.on(`GET /api/models/${NAME}`, text('', 429)), 'asked too often'],
  ]
  test.each(wrong)(
    '[CLI38] %s: nothing is written, and one sentence says why',
    async (_name, given, sentence) => {
      given()
      expect(await add()).toBeGreaterThan(0)
      expect(terminal.err.replace(/is (\S+) the/, 'is the')).toContain(sentence)
      expect(existsSync(path())).toBe(false)
    },
  )

  test('[CLI38] an id that would climb out of the folder is refused', async () => {
    hub(FILES, { model_type: 'whisper' })
    expect(await add('--id', '../evil')).toBe(2)
    expect(terminal.err).toContain('expected a model id')
    expect(server.requests).toEqual([])
  })

  test('[CLI37] what is no hf:OWNER/NAME is a usage error', async () => {
    expect(await terminal.dalston('models', 'add', 'whisper')).toBe(2)
    expect(await terminal.dalston('models', 'add', 'hf:../x')).toBe(2)
  })
})

test('[CLI39] import takes the files of a folder of this machine, and says what is missing', async () => {
  const data = join(terminal.file('data'), 'agent')
  const folder = join(data, 'models', 'catalog')
  mkdirSync(folder, { recursive: true })
  const { available_on: _a, loaded_on: _l, pinned_on: _p, ...entry } = aModel({ id: ModelId.parse('own') })
  const files = [{ path: 'model.onnx', sha256: null, size_bytes: null }]
  const own = { ...entry, source: { kind: 'folder' }, files, embedded: false }
  writeFileSync(join(folder, 'own.yaml'), JSON.stringify(own))
  mkdirSync(terminal.file('brought'))
  expect(await terminal.dalston('models', 'import', 'own', terminal.file('brought'))).toBe(1)
  expect(terminal.err).toContain('has no file model.onnx')
  writeFileSync(join(terminal.file('brought'), 'model.onnx'), 'weights')
  expect(await terminal.dalston('models', 'import', 'own', terminal.file('brought'))).toBe(0)
  expect(terminal.out).toBe('own\n')
  expect(readFileSync(join(data, 'models', 'ctc', 'own', 'model.onnx'), 'utf8')).toBe('weights')
})
