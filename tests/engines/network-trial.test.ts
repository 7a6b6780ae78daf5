import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import parakeet from '#engines/parakeet/engine.ts'
import type { DecoderKind } from '#engines/parakeet/model-config.ts'
import { HUB_CONFIG, type HubFiles, writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { configOf, TINY, tinyModel, writeRandomModel } from '#tests/kit/parakeet-models.ts'
import { decoderJoint, randomWeights } from '#tests/kit/parakeet-networks.ts'
import * as parakeetTones from '#tests/kit/parakeet-tones.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { alwaysNaN, fixed, nanAbove, through, unsized } from '#tests/kit/spoiled-network.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { TONE_CONFIG, toneSpeech, writeToneModel } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())
const aFolder = () => folder.fresh('model')

type Change = (network: Uint8Array) => Uint8Array
function changed(path: string, file: string, change: Change): string {
  writeFileSync(join(path, file), change(readFileSync(join(path, file))))
  return path
}

describe('ctc tries a network when it loads it', () => {
  const own = (change: Change, config: object = {}) =>
    changed(
      writeToneModel(aFolder(), { 'config.json': JSON.stringify({ ...TONE_CONFIG, ...config }) }),
      'model.onnx',
      change,
    )
  const hub = (change: Change, files: HubFiles = {}) =>
    changed(writeHubModel(aFolder(), files), 'onnx/model.onnx', change)
  const as = (network: Uint8Array) => network
  const stride = (...conv_stride: number[]) => ({ 'config.json': { ...HUB_CONFIG, conv_stride } })

  it.each<[string, () => string, RegExp]>([
    [
      'NaN (hub)',
      () => hub((network) => alwaysNaN(network, 'logits')),
      /onnx\/model\.onnx: logits: expected numbers, came NaN or infinity/,
    ],
    [
      'NaN',
      () => own((network) => alwaysNaN(network, 'log_probs')),
      /model\.onnx: log_probs: expected numbers/,
    ],
    [
      'probabilities for logits',
      () => hub((network) => through(network, 'logits', 'Softmax')),
      /logits: expected logits, came probabilities/,
    ],
    [
      'probabilities for their logarithms',
      () => own((network) => through(network, 'log_probs', 'Exp')),
      /log_probs: expected natural logarithms of probabilities that add up to 1, they add up to/,
    ],
    [
      'frames at another rate (hub)',
      () => hub(as, stride(5, 2, 2, 2, 2, 2, 1)),
      /logits: expected a frame each 160 samples \(config\.json: conv_stride\), 16000 more samples gave 50/,
    ],
    [
      'frames at another rate',
      () => own(as, { frame_seconds: 0.02 }),
      /log_probs: expected a frame each 320 samples \(config\.json: frame_seconds\)/,
    ],
    [
      'one length alone',
      () => hub((network) => fixed(network, 'input_values', [1, 16_000])),
      /onnx\/model\.onnx: does not run: .*invalid dimensions/i,
    ],
    [
      'another number of tokens than it states',
      () =>
        hub((network) => unsized(network, 'logits'), { 'config.json': { ...HUB_CONFIG, vocab_size: 40 } }),
      /logits: expected 40 tokens as in the vocabulary, it has 32/,
    ],
  ])('[C19] %s is one clear error', async (_, write, message) => {
    const error = await taskErrorOf(ctc.load(modelFilesIn(write())))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toMatch(message)
  })

  it.each([
    ['hub', () => hub((network) => nanAbove(network, 'logits', 20))],
    ['own', () => own((network) => nanAbove(network, 'log_probs', -1e-9))],
  ])('[C20] NaN for some sound alone ends the run, and is no silence: %s', async (_, write) => {
    const model = await ctc.load(modelFilesIn(write()))
    const run = runTranscribe(ctc, model, toneSpeech([{ silence: 1 }, 'the cat']), aFolder())
    expect(await taskErrorOf(run)).toMatchObject({
      code: 'engine_bad_output',
      retryable: true,
      message: expect.stringMatching(/model\.onnx: log.*: expected numbers, came NaN or infinity/),
    })
    await ctc.dispose(model)
  })
})

describe('parakeet tries its networks when it loads them', () => {
  const DECODER = 'decoder_joint-model.onnx'
  const ENCODER = 'encoder-model.onnx'
  const tones = (kind: DecoderKind, file: string, change: Change, config: object = {}) =>
    changed(parakeetTones.writeToneModel(aFolder(), kind, config), file, change)
  const random = (kind: DecoderKind, file: string, change: Change, config: object = {}) => {
    const path = writeRandomModel(aFolder(), tinyModel(kind, 1))
    writeFileSync(join(path, 'config.json'), configOf(kind, 80, config))
    return changed(path, file, change)
  }
  const as = (network: Uint8Array) => network
  const narrow = { ...TINY, durations: 5, encoderSize: 20 }

  it.each<[string, () => string, RegExp]>([
    [
      'an encoder of NaN',
      () => random('tdt', ENCODER, (network) => alwaysNaN(network, 'outputs')),
      /encoder-model\.onnx: .*outputs: expected numbers, came NaN/,
    ],
    [
      'a decoder of NaN',
      () => random('rnnt', DECODER, (network) => alwaysNaN(network, 'outputs')),
      /decoder_joint-model\.onnx: .*expected numbers, came NaN/,
    ],
    [
      'a CTC network of NaN',
      () => random('ctc', 'model.onnx', (network) => alwaysNaN(network, 'logprobs')),
      /model\.onnx: .*logprobs: expected numbers, came NaN/,
    ],
    [
      'another subsampling',
      () => random('tdt', ENCODER, as, { subsampling_factor: 4 }),
      /encoder-model\.onnx: expected about 25 frames of 1 s \(config\.json: subsampling_factor is 4\), came 13/,
    ],
    [
      'another subsampling, CTC',
      () => random('ctc', 'model.onnx', as, { subsampling_factor: 16 }),
      /model\.onnx: expected about 7 frames .* came 13/,
    ],
    [
      'bands that an encoder does not state',
      () => {
        const path = tones('tdt', ENCODER, (network) => unsized(network, 'audio_signal'))
        writeFileSync(join(path, 'config.json'), '{"model_type":"nemo-conformer-tdt"}')
        return path
      },
      /encoder-model\.onnx: does not run: /,
    ],
    [
      'a decoder for another encoder',
      () =>
        random('tdt', DECODER, () => encodeModel(decoderJoint(narrow, randomWeights(narrow, seeded(3), 1)))),
      /decoder_joint-model\.onnx: encoder_outputs: expected 24 channels, as the encoder has, it has 20/,
    ],
    [
      'a decoder for another encoder that it does not state',
      () =>
        random('tdt', DECODER, () =>
          unsized(encodeModel(decoderJoint(narrow, randomWeights(narrow, seeded(3), 1))), 'encoder_outputs'),
        ),
      /decoder_joint-model\.onnx: does not run: /,
    ],
    [
      'durations that it does not state, and has not',
      () => {
        const path = random('rnnt', DECODER, (network) => unsized(network, 'outputs'))
        writeFileSync(join(path, 'config.json'), configOf('tdt', 80))
        return path
      },
      /decoder_joint-model\.onnx: does not run: outputs: expected 40 tokens and at least two durations/,
    ],
    [
      'durations where none are expected',
      () => {
        const path = random('tdt', DECODER, (network) => unsized(network, 'outputs'))
        writeFileSync(join(path, 'config.json'), configOf('rnnt', 80))
        return path
      },
      /decoder_joint-model\.onnx: does not run: outputs: expected 40 tokens .* it has 45/,
    ],
    [
      'too many tokens in a frame',
      () => random('tdt', ENCODER, as, { max_tokens_per_step: 1000 }),
      /config\.json: max_tokens_per_step/,
    ],
  ])('[PK16] %s is one clear error', async (_, write, message) => {
    const error = await taskErrorOf(parakeet.load(modelFilesIn(write())))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toMatch(message)
  })

  it.each<[string, () => string]>([
    ['the encoder', () => tones('tdt', ENCODER, (network) => nanAbove(network, 'outputs', 0.9))],
    ['the decoder', () => tones('tdt', DECODER, (network) => nanAbove(network, 'outputs', 6))],
  ])('[PK17] NaN for some sound alone ends the run, and is no text: %s', async (_, write) => {
    const model = await parakeet.load(modelFilesIn(write()))
    const sound = parakeetTones.toneSpeech([{ silence: 0.5 }, 'the cat', { silence: 1 }])
    const error = await taskErrorOf(runTranscribe(parakeet, model, sound, aFolder()))
    expect(error).toMatchObject({ code: 'engine_bad_output', retryable: true })
    expect(error.message).toMatch(/expected numbers, came NaN or infinity/)
    await parakeet.dispose(model)
  })
})
