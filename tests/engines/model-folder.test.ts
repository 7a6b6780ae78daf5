import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { ENGINES } from '#engines/list.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { modelFilesIn, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { TONE_CONFIG, writeToneModel } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

function modelWith(files: Readonly<Record<string, string>>, without: string[] = []) {
  const path = writeToneModel(folder.fresh('model'), files)
  for (const name of without) rmSync(`${path}/${name}`)
  return loadModel(modelFilesIn(path))
}

function config(change: object): Readonly<Record<string, string>> {
  return { 'config.json': JSON.stringify({ ...TONE_CONFIG, ...change }) }
}

/** Letters of a script of syllables. */
function manyTokens(count: number): string[] {
  return Array.from({ length: count }, (_, at) => String.fromCodePoint(0x4e00 + at))
}

describe('model folder', () => {
  it.each<[string, Readonly<Record<string, string>>, string[], RegExp]>([
    ['no config', {}, ['config.json'], /tests\/model .* config\.json: is missing/],
    ['no weights', {}, ['model.onnx'], /model\.onnx: is missing/],
    ['a config that is no JSON', { 'config.json': '{' }, [], /config\.json: is no JSON/],
    ['a wrong rate', config({ sample_rate: 8000 }), [], /config\.json: sample_rate: .*16000/],
    [
      'a wrong width',
      config({ decoder: { ...TONE_CONFIG.decoder, beam_width: 0 } }),
      [],
      /decoder\.beam_width/,
    ],
    ['a field that nobody knows', config({ colour: 'red' }), [], /config\.json: .*colour/],
    [
      'a blank outside the tokens',
      config({ blank_index: 99 }),
      [],
      /blank_index: expected the index of one of 29/,
    ],
    ['a delimiter that is no token', config({ word_delimiter: '|' }), [], /word_delimiter: .*"\|"/],
    ['half samples', config({ frame_seconds: 0.01001 }), [], /frame_seconds: expected a whole number/],
    [
      'a delimiter that is the blank',
      config({ word_delimiter: '<blank>' }),
      [],
      /word_delimiter: expected another token than the blank/,
    ],
    [
      'more outputs than memory can hold',
      config({ frame_seconds: 0.005, tokens: [...TONE_CONFIG.tokens, ...manyTokens(20_000)] }),
      [],
      /frame_seconds: expected at most 100000000 outputs in 30 s, 20029 tokens make 120174000/,
    ],
    ['frames of a sample', config({ frame_seconds: 1 / 16_000 }), [], /frame_seconds: Too small/],
    [
      'a beam beyond all memory',
      {
        ...config({
          tokens: [...TONE_CONFIG.tokens, ...manyTokens(3000)],
          decoder: { ...TONE_CONFIG.decoder, beam_width: 2000 },
        }),
        'lexicon.txt': manyTokens(3000).join('\n'),
      },
      [],
      /config\.json: decoder\.beam_width: expected at most 1333 where 3000 letters may begin a word \(lexicon\.txt\), came 2000/,
    ],
    [
      'a token twice',
      config({ tokens: [...TONE_CONFIG.tokens, 'a'] }),
      [],
      /tokens: expected each token once/,
    ],
    [
      'a word without tokens',
      { 'lexicon.txt': 'cat\nnaïve\n' },
      [],
      /lexicon\.txt: the word "naïve" has "ï"/,
    ],
    ['no words', { 'lexicon.txt': '\n' }, [], /lexicon\.txt: has no words/],
    ['a broken language model', { 'language-model.arpa': 'hello' }, [], /language-model\.arpa: no \\data\\/],
  ])('[C11] %s is one clear error', async (_, files, without, message) => {
    const error = await taskErrorOf(modelWith(files, without))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toMatch(message)
  })

  it('[C11] weights that are no ONNX, or have another interface', async () => {
    const path = writeToneModel(folder.fresh('model'))
    const load = () => taskErrorOf(loadModel(modelFilesIn(path)))
    writeFileSync(`${path}/model.onnx`, 'no model')
    expect((await load()).message).toMatch(/model\.onnx: cannot be opened/)
    const graph = graphBuilder('other')
    graph.output('y', graph.input('x', 'float32', ['n']), 'float32', ['n'])
    const other = encodeModel(graph.model())
    writeFileSync(`${path}/model.onnx`, other)
    expect((await load()).message).toMatch(/expected the one input audio, it has x/)
  })

  it('[C12] a lexicon or a language model alone makes a beam; neither is greedy', async () => {
    const arpa = '\\data\\\nngram 1=2\n\n\\1-grams:\n-1 cat\n-1 hat\n\n\\end\\\n'
    expect((await modelWith({})).decoder.name).toBe('greedy')
    expect((await modelWith({ 'lexicon.txt': 'cat\n' })).decoder.name).toBe('beam')
    expect((await modelWith({ 'language-model.arpa': arpa })).decoder.name).toBe('beam')
  })
})

describe('engine list', () => {
  it('[E1] lists manifests without loading native code; each entry loads the engine of its manifest', async () => {
    const program = `
      const { ENGINES } = await import('#engines/list.ts')
      const native = process.report.getReport().sharedObjects.filter((name) => /onnxruntime|node-av/.test(name))
      console.log(JSON.stringify({ ids: ENGINES.map((engine) => engine.manifest.id), native }))`
    const root = fileURLToPath(new URL('../../', import.meta.url))
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(JSON.parse(out)).toEqual({ ids: ENGINES.map((engine) => engine.manifest.id), native: [] })
    for (const entry of ENGINES) expect((await entry.load()).manifest).toBe(entry.manifest)
  })

  it('[E2] a model loads and leaves no file in an empty home', () => {
    const home = folder.join('home')
    mkdirSync(home)
    const path = writeToneModel(folder.join('for-home'))
    const program = `
      const { ENGINES } = await import('#engines/list.ts')
      const engine = await ENGINES.find((entry) => entry.manifest.id === 'ctc').load()
      await engine.dispose(await engine.load({ runtimeModelId: 'tones', folder: process.argv[1], threads: 1, device: 'cpu' }))`
    const root = fileURLToPath(new URL('../../', import.meta.url))
    const env = { PATH: process.env.PATH, HOME: home }
    execFileSync(process.execPath, ['--input-type=module', '-e', program, path], { cwd: root, env })
    expect(readdirSync(home, { recursive: true })).toEqual([])
  })
})
