import { afterAll, describe, expect, it } from 'vitest'
import { loadModel } from '#engines/ctc/model-folder.ts'
import {
  HUB_CONFIG,
  HUB_PREPROCESSOR,
  HUB_TOKENIZER,
  HUB_VOCABULARY,
  type HubFiles,
  writeHubModel,
} from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const load = (files: HubFiles = {}) => loadModel(modelFilesIn(writeHubModel(folder.fresh('model'), files)))

describe('a folder that is not as it should be', () => {
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
