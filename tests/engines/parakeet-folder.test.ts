import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { EngineError } from '#engines/engine.ts'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { readStepModel } from '#engines/onnx/loop-file.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import parakeet from '#engines/parakeet/engine.ts'
import { running } from '#engines/parakeet/failures.ts'
import type { DecoderKind } from '#engines/parakeet/model-config.ts'
import { runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { configOf, randomVocabulary, tinyModel, writeRandomModel } from '#tests/kit/parakeet-models.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

let count = 0
function modelFolder(kind: DecoderKind): string {
  count += 1
  return writeRandomModel(folder.join(`model-${count}`), tinyModel(kind, count))
}

const load = (path: string) =>
  parakeet.load({ runtimeModelId: 'random', folder: path, threads: 1, device: 'cpu' })

/** Changes a model file in place. */
async function changed(path: string, change: (model: OnnxModel) => OnnxModel) {
  const { model } = await readStepModel(path)
  writeFileSync(path, encodeModel(change(model)))
}

const without = (name: string) => (model: OnnxModel) => ({
  ...model,
  graph: { ...model.graph, outputs: model.graph.outputs.filter((output) => output.name !== name) },
})

type Case = [what: string, kind: DecoderKind, spoil: (path: string) => unknown, says: RegExp]

const ENCODER = 'encoder-model.onnx'
const DECODER = 'decoder_joint-model.onnx'
const write = (name: string, text: string) => (path: string) => writeFileSync(join(path, name), text)
const remove = (name: string) => (path: string) => rmSync(join(path, name))

describe('a model folder', () => {
  it.each<Case>([
    ['no config', 'tdt', remove('config.json'), /random .*: config\.json: is missing/],
    ['a config that is no JSON', 'tdt', write('config.json', '{'), /config\.json: is no JSON/],
    [
      'another family',
      'tdt',
      write('config.json', '{"model_type":"whisper"}'),
      /config\.json: model_type: .*nemo-conformer-tdt/,
    ],
    ['a wrong size', 'tdt', write('config.json', configOf('tdt', 0)), /config\.json: features_size/],
    [
      'other features',
      'tdt',
      write('config.json', configOf('tdt', 128)),
      /encoder-model\.onnx: audio_signal: expected 128 bands .* 80/,
    ],
    ['no vocabulary', 'ctc', remove('vocab.txt'), /vocab\.txt: is missing/],
    ['a broken vocabulary', 'rnnt', write('vocab.txt', 'a\n'), /vocab\.txt: line 1: expected a token/],
    [
      'another vocabulary',
      'rnnt',
      write('vocab.txt', randomVocabulary(41)),
      /decoder_joint-model\.onnx: outputs: expected 41 tokens .* it has 40/,
    ],
    [
      'no durations',
      'rnnt',
      write('config.json', configOf('tdt', 80)),
      /outputs: expected 40 tokens and at least two durations/,
    ],
    ['no weights', 'ctc', remove('model.onnx'), /model\.onnx: is missing, and so are model\.int8\.onnx/],
    ['no encoder', 'tdt', remove(ENCODER), /encoder-model\.onnx: is missing/],
    ['no decoder', 'tdt', remove(DECODER), /decoder_joint-model\.onnx: is missing/],
    [
      'two precisions, half of each',
      'tdt',
      (path) => renameSync(join(path, DECODER), join(path, 'decoder_joint-model.int8.onnx')),
      /encoder-model and decoder_joint-model in one precision/,
    ],
    ['an encoder that is no model', 'tdt', write(ENCODER, 'no model'), /encoder-model\.onnx: /],
    ['a decoder that is no model', 'tdt', write(DECODER, 'no model'), /decoder_joint-model\.onnx: /],
    [
      'an encoder without lengths',
      'tdt',
      (path) => changed(join(path, ENCODER), without('encoded_lengths')),
      /encoder-model\.onnx: expected the output encoded_lengths, it has outputs/,
    ],
    [
      'a decoder without states',
      'tdt',
      (path) => changed(join(path, DECODER), without('output_states_2')),
      /decoder_joint-model\.onnx: expected the output output_states_2, it has outputs/,
    ],
    [
      'a CTC model with another output',
      'ctc',
      (path) => changed(join(path, 'model.onnx'), without('logprobs')),
      /model\.onnx: /,
    ],
  ])('[PK12] %s is one error that names file and field', async (_, kind, spoil, says) => {
    const path = modelFolder(kind)
    await spoil(path)
    const error = await taskErrorOf(load(path))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toMatch(says)
  })

  it.each<DecoderKind>(['tdt', 'rnnt', 'ctc'])(
    '[PK15] %s: int8 files are taken where there are no others',
    async (kind) => {
      const path = modelFolder(kind)
      for (const stem of kind === 'ctc' ? ['model'] : ['encoder-model', 'decoder_joint-model'])
        renameSync(join(path, `${stem}.onnx`), join(path, `${stem}.int8.onnx`))
      const model = await load(path)
      const samples = Float32Array.from({ length: 48_000 }, (_, at) => Math.sin(at * at) / 3)
      const { summary } = await runTranscribe(parakeet, model, samples, folder.join('run'))
      expect(summary.stage).toBe('transcribe')
      await parakeet.dispose(model)
    },
  )

  it('[PK12] the defaults of a config are those of other readers of the layout', async () => {
    const path = modelFolder('tdt')
    writeFileSync(join(path, 'config.json'), '{"model_type":"nemo-conformer-tdt","made_by":"somebody"}')
    const model = await load(path)
    expect(model.config).toMatchObject({ features_size: 80, subsampling_factor: 8, max_tokens_per_step: 10 })
    expect(model.frameSeconds).toBeCloseTo(0.08)
    await parakeet.dispose(model)
  })
})

describe('a lack of memory', () => {
  it.each([
    'std::bad_alloc',
    'Failed to allocate memory for requested buffer of size 1073741824',
    'CUDA error: out of memory',
  ])('[PK13] %s is out_of_memory, and worth a try with smaller batches', async (message) => {
    const error = await taskErrorOf(running('encoder-model.onnx', () => Promise.reject(new Error(message))))
    expect(error).toMatchObject({ code: 'out_of_memory', retryable: true })
    expect(error.message).toContain('encoder-model.onnx')
  })

  it('[PK13] any other failure stays what it is', async () => {
    const other = new Error('Invalid rank for input')
    await expect(running('x', () => Promise.reject(other))).rejects.toBe(other)
    expect(other).not.toBeInstanceOf(EngineError)
  })
})
