import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import { convolutionGeometry } from '#engines/ctc/hub-config.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { logSoftmax, normalize } from '#engines/ctc/posteriors.ts'
import type { ModelFiles } from '#engines/engine.ts'
import {
  HUB_CONFIG,
  HUB_PREPROCESSOR,
  HUB_TOKENIZER,
  HUB_VOCABULARY,
  type HubFiles,
  hubNetwork,
  writeHubModel,
} from '#tests/kit/ctc-hub-model.ts'
import { runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { SLOT_SECONDS, type ToneScript, toneSpeech } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

let count = 0
function load(files: HubFiles = {}) {
  count += 1
  const path = writeHubModel(folder.join(`model-${count}`), files)
  return loadModel({
    runtimeModelId: 'owner/tones',
    folder: path,
    threads: 1,
    device: 'cpu',
  } satisfies ModelFiles)
}

const plain = await load()

function transcribe(
  samples: Float32Array | ToneScript,
  options: Parameters<typeof runTranscribe>[4] = {},
  model = plain,
) {
  count += 1
  const sound = samples instanceof Float32Array ? samples : toneSpeech(samples)
  return runTranscribe(ctc, model, sound, folder.join(`run-${count}`), options)
}

async function textOf(...args: Parameters<typeof transcribe>): Promise<string> {
  return (await transcribe(...args)).segments.map((segment) => segment.text).join(' ')
}

describe('exports of wav2vec2 and its kin', () => {
  it('[C15] exact words, times within one frame, in the case of the vocabulary', async () => {
    const text = "the cat isn't here"
    const { segments, summary } = await transcribe([{ silence: 0.5 }, text, { silence: 0.5 }])
    expect(segments.map((segment) => segment.text)).toEqual([text.toUpperCase()])
    let at = 0
    for (const [index, word] of text.split(' ').entries()) {
      const start = 0.5 + at * SLOT_SECONDS
      const end = start + (word.length - 1) * SLOT_SECONDS + 0.09
      at += word.length + 1
      const found = segments[0]?.words[index]
      expect(Math.abs((found?.start ?? 0) - start)).toBeLessThanOrEqual(0.02)
      expect(Math.abs((found?.end ?? 0) - end)).toBeLessThanOrEqual(0.02)
    }
    expect(summary).toMatchObject({ word_count: 4, language: null, warnings: [] })
  })

  it.each([0.02, 0.3, 1])('[C15] whatever the loudness (%f)', async (scale) => {
    const sound = toneSpeech([{ silence: 1 }, 'loud and clear', { silence: 3 }])
    expect(await textOf(sound.map((sample) => sample * scale))).toBe('LOUD AND CLEAR')
  })

  it('[C15] as it is, where do_normalize is false', async () => {
    const as = await load({ 'preprocessor_config.json': { ...HUB_PREPROCESSOR, do_normalize: false } })
    // Half of it is below what the network takes for a tone when nobody normalises.
    const sound = toneSpeech(['cat'])
    expect(
      await textOf(
        sound.map((sample) => sample / 2),
        {},
        as,
      ),
    ).toBe('')
    expect(await textOf(sound, {}, as)).toBe('CAT')
  })

  it('[C15] long speech in windows: every word, at its time', async () => {
    const text = Array.from({ length: 40 }, () => 'the cat sat on').join(' ')
    const { segments } = await transcribe([text])
    const words = segments.flatMap((segment) => segment.words)
    expect(words.map((word) => word.text).join(' ')).toBe(text.toUpperCase())
    expect(Math.abs((words.at(-2)?.start ?? 0) - 40 * 15 * SLOT_SECONDS + 7 * SLOT_SECONDS)).toBeLessThan(
      0.021,
    )
  })

  it('[C15] a clip of one letter, and one too short for a frame', async () => {
    expect(await textOf(['a'])).toBe('A')
    expect(await textOf(new Float32Array(100))).toBe('')
  })

  it('[C15] an export that wants attention_mask has ones', async () => {
    const masked = await load({ 'onnx/model.onnx': hubNetwork({ masked: true }) })
    expect(await textOf(['mask on'], {}, masked)).toBe('MASK ON')
  })

  it('[C16] marks of the tokenizer are never written', async () => {
    const { "'": _, ...without } = HUB_VOCABULARY
    const unnamed = await load({ 'vocab.json': without })
    expect(await textOf(["it's so"], {}, unnamed)).toBe('ITS SO')
    const named = await load({ 'vocab.json': { ...without, '[NOISE]': 27 } })
    expect(await textOf(["it's so"], {}, named)).toBe('ITS SO')
  })

  it('[C16] tokens that stand in the tokenizer’s own file alone', async () => {
    const { '<pad>': _pad, '|': _delimiter, ...rest } = HUB_VOCABULARY
    const model = await load({
      'vocab.json': rest,
      'tokenizer_config.json': {
        ...HUB_TOKENIZER,
        pad_token: { content: '<pad>', lstrip: false },
        added_tokens_decoder: { 0: { content: '<pad>', special: true }, 4: { content: '|', special: false } },
      },
    })
    expect(await textOf(['two words'], {}, model)).toBe('TWO WORDS')
  })

  it('[C16] marks that a tokenizer adds behind what the network puts out', async () => {
    const added = { 0: '<pad>', 32: '<s>', 33: { content: '</s>', special: true } }
    const { '<s>': _start, '</s>': _end, ...vocabulary } = HUB_VOCABULARY
    const model = await load({
      'vocab.json': vocabulary,
      'tokenizer_config.json': { ...HUB_TOKENIZER, added_tokens_decoder: added },
    })
    expect(await textOf(['two words'], {}, model)).toBe('TWO WORDS')
  })

  it('[C10] a translation is refused', async () => {
    const run = transcribe(['cat'], { parameters: { task: 'translate' } })
    expect(await taskErrorOf(run)).toMatchObject({ code: 'unsupported_task', retryable: false })
  })

  it('[C17] MMS: the vocabulary of the adapter that is in the export, and its language alone', async () => {
    const nested = {
      fra: { '<pad>': 0, '|': 1, é: 2 },
      eng: HUB_VOCABULARY,
      'urd-script_arabic': { '<pad>': 0 },
    }
    const tokenizer = { ...HUB_TOKENIZER, target_lang: 'eng' }
    const model = await load({ 'vocab.json': nested, 'tokenizer_config.json': tokenizer })
    const { segments, summary } = await transcribe(['hello'], {}, model)
    expect(segments[0]?.text).toBe('HELLO')
    expect(summary).toMatchObject({ language: 'en', language_source: 'model' })
    const other = taskErrorOf(transcribe(['hello'], { parameters: { language: 'fr' } }, model))
    expect(await other).toMatchObject({ code: 'unsupported_language' })
    // Nothing says which: the only one that fits the network.
    expect((await load({ 'vocab.json': nested })).config.language).toBe('en')
  })

  it('[C12] a lexicon beside an export makes a beam', async () => {
    const model = await load({ 'lexicon.txt': 'THE\nCAT\nHAT\n' })
    expect(model.decoder.name).toBe('beam')
    expect(await textOf(['the hat'], {}, model)).toBe('THE HAT')
  })

  it('[C15] another precision, where it is the only one', async () => {
    const model = await load({ 'onnx/model.onnx': null, 'onnx/model_quantized.onnx': hubNetwork() })
    expect(await textOf(['ok'], {}, model)).toBe('OK')
  })

  it.each<[string, HubFiles, RegExp]>([
    [
      'another kind of network',
      { 'config.json': { ...HUB_CONFIG, model_type: 'bert' } },
      /config\.json: model_type: expected one of wav2vec2/,
    ],
    [
      'frames of hours',
      { 'config.json': { ...HUB_CONFIG, conv_stride: [1000, 1000, 2, 2, 2, 2, 2] } },
      /config\.json: conv_stride: expected frames of at most a second/,
    ],
    [
      'kernels of any size',
      { 'config.json': { ...HUB_CONFIG, conv_kernel: [1e12, 3, 3, 3, 3, 2, 2] } },
      /config\.json: conv_kernel\.0/,
    ],
    [
      'kernels that hear everything',
      { 'config.json': { ...HUB_CONFIG, conv_kernel: Array(7).fill(1000) } },
      /config\.json: conv_kernel: expected frames that hear at most ten seconds/,
    ],
    [
      'a head that sorts recordings',
      { 'config.json': { ...HUB_CONFIG, architectures: ['Wav2Vec2ForSequenceClassification'] } },
      /config\.json: architectures: expected a network with a CTC head/,
    ],
    [
      'a tokenizer of phonemes',
      { 'tokenizer_config.json': { ...HUB_TOKENIZER, tokenizer_class: 'Wav2Vec2PhonemeCTCTokenizer' } },
      /tokenizer_config\.json: tokenizer_class: expected a tokenizer of letters/,
    ],
    [
      'another blank in training',
      { 'config.json': { ...HUB_CONFIG, pad_token_id: 31 } },
      /config\.json: pad_token_id: expected 0, where tokenizer_config\.json has its pad_token, came 31/,
    ],
    [
      'a token that two files place apart',
      { 'tokenizer_config.json': { ...HUB_TOKENIZER, added_tokens_decoder: { 31: '<pad>' } } },
      /tokenizer_config\.json: added_tokens_decoder: expected <pad> at 0 as in vocab\.json, it is at 31/,
    ],
    [
      'a hundred thousand tokens',
      {
        'config.json': { ...HUB_CONFIG, vocab_size: undefined },
        'vocab.json': {
          ...HUB_VOCABULARY,
          ...Object.fromEntries(Array.from({ length: 99_900 }, (_, at) => [`t${at}`, 100 + at])),
        },
      },
      /config\.json: frame_seconds: expected at most .* 100000 tokens make 150000000/,
    ],
    ['a negative index', { 'vocab.json': { ...HUB_VOCABULARY, Ä: -1 } }, /vocab\.json: Ä: /],
    [
      'a vocabulary without an end',
      {
        'config.json': { ...HUB_CONFIG, vocab_size: undefined },
        'tokenizer_config.json': { ...HUB_TOKENIZER, added_tokens_decoder: { 999999999999: '<far>' } },
      },
      /vocab\.json: expected at most 100000 tokens, came 1000000000000/,
    ],
    [
      'more outputs than memory can hold',
      {
        'config.json': { ...HUB_CONFIG, vocab_size: 99_999, conv_stride: [5, 2, 2, 2, 2, 2, 1] },
      },
      /config\.json: frame_seconds: expected at most 100000000 outputs in 30 s/,
    ],
    ['no kernels', { 'config.json': { ...HUB_CONFIG, conv_kernel: undefined } }, /config\.json: conv_kernel/],
    [
      'strides of another stack',
      { 'config.json': { ...HUB_CONFIG, conv_stride: [5, 2] } },
      /config\.json: conv_stride: expected as many strides as kernels/,
    ],
    [
      'an adapter',
      { 'config.json': { ...HUB_CONFIG, add_adapter: true } },
      /config\.json: add_adapter: expected false/,
    ],
    [
      'another rate',
      { 'preprocessor_config.json': { ...HUB_PREPROCESSOR, sampling_rate: 8000 } },
      /preprocessor_config\.json: sampling_rate: expected 16000/,
    ],
    ['no preprocessor', { 'preprocessor_config.json': null }, /preprocessor_config\.json: is missing/],
    ['no vocabulary', { 'vocab.json': null }, /vocab\.json: is missing/],
    [
      'a vocabulary of words',
      { 'vocab.json': { a: 'b' } },
      /vocab\.json: .*expected tokens with their indices/,
    ],
    ['no JSON', { 'vocab.json': '{"a": 1' }, /vocab\.json: is no JSON/],
    [
      'an index that the network has not',
      { 'vocab.json': { ...HUB_VOCABULARY, Ä: 99 } },
      /vocab\.json: Ä: expected an index below 32 \(config\.json: vocab_size\), came 99/,
    ],
    [
      'an index twice',
      { 'vocab.json': { ...HUB_VOCABULARY, Ä: 31 } },
      /vocab\.json: Ä: expected an index of its own, Z has 31 too/,
    ],
    [
      'no delimiter',
      { 'tokenizer_config.json': { ...HUB_TOKENIZER, word_delimiter_token: '_' } },
      /vocab\.json: expected the word delimiter "_" \(tokenizer_config\.json: word_delimiter_token\)/,
    ],
    [
      'a blank that is no token',
      { 'tokenizer_config.json': { ...HUB_TOKENIZER, pad_token: '[PAD]' } },
      /tokenizer_config\.json: pad_token: expected a token of vocab\.json, came "\[PAD\]"/,
    ],
    [
      'no blank',
      { 'tokenizer_config.json': {}, 'config.json': { ...HUB_CONFIG, pad_token_id: null } },
      /config\.json: pad_token_id: expected the index of the blank/,
    ],
    [
      'no network',
      { 'onnx/model.onnx': null },
      /onnx\/model\.onnx: is missing, and so is every other precision/,
    ],
    ['a torn network', { 'onnx/model.onnx': 'no model' }, /onnx\/model\.onnx: cannot be opened/],
    [
      'a network of another size',
      { 'config.json': { ...HUB_CONFIG, vocab_size: 40 } },
      /onnx\/model\.onnx: logits: expected 40 tokens as in the vocabulary, it has 32/,
    ],
    [
      'a language that is not there',
      {
        'vocab.json': { fra: HUB_VOCABULARY },
        'tokenizer_config.json': { ...HUB_TOKENIZER, target_lang: 'eng' },
      },
      /tokenizer_config\.json: target_lang: expected the language .* one of vocab\.json \(fra \.\.\.\), came eng/,
    ],
    [
      'languages of one size',
      { 'vocab.json': { eng: HUB_VOCABULARY, deu: HUB_VOCABULARY } },
      /target_lang: expected the language .* came none/,
    ],
  ])('[C11] %s is one clear error', async (_, files, message) => {
    const error = await taskErrorOf(load(files))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toMatch(message)
  })
})

describe('the layers around an exported network', () => {
  it('[C15] frames lie as the convolutions put them', () => {
    expect(convolutionGeometry(HUB_CONFIG)).toEqual({ hop: 320, reach: 400 })
    expect(convolutionGeometry({ conv_kernel: [3], conv_stride: [2] })).toEqual({ hop: 2, reach: 3 })
  })

  it('[C15] sound of mean 0 and variance 1; silence stays silent', () => {
    const samples = Float32Array.from({ length: 1000 }, (_, at) => 3 + 0.1 * Math.sin(at))
    normalize(samples)
    expect(samples.reduce((sum, sample) => sum + sample, 0) / 1000).toBeCloseTo(0, 4)
    expect(samples.reduce((sum, sample) => sum + sample ** 2, 0) / 1000).toBeCloseTo(1, 3)
    const silence = new Float32Array(10)
    normalize(silence)
    expect([...silence]).toEqual([...new Float32Array(10)])
  })

  it('[C16] logits become log probabilities; what marks have is the blank’s', () => {
    const rows = Float32Array.of(1, 2, 3, 4, 1000, -1000, 0, 999)
    logSoftmax(rows, 4, 0, [3])
    for (const row of [rows.subarray(0, 4), rows.subarray(4)])
      expect(row.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 5)
    expect(rows[3]).toBe(Number.NEGATIVE_INFINITY)
    const total = Math.exp(1) + Math.exp(2) + Math.exp(3) + Math.exp(4)
    expect(Math.exp(rows[0] ?? 0)).toBeCloseTo((Math.exp(1) + Math.exp(4)) / total, 5)
  })
})
