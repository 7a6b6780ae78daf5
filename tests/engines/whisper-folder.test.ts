import { cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { batchSizeOf, loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { runNetwork } from '#engines/whisper/network-errors.ts'
import { asFloats, asType } from '#engines/whisper/values.ts'
import { taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())
const whole = folder.join('whole')
writeRandomWhisper(whole, { seed: 3 })

let copies = 0
/** A copy that is changed before it is loaded. */
function changed(change: (path: string) => void): ReturnType<typeof loadModel> {
  const path = folder.join(`copy-${++copies}`)
  cpSync(whole, path, { recursive: true })
  change(path)
  return loadModel({ runtimeModelId: 'broken', folder: path, threads: 1, device: 'cpu' })
}

function edit(name: string, change: object): (path: string) => void {
  return (path) => {
    const file = join(path, name)
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...change }))
  }
}

const ENCODER = 'onnx/encoder_model.onnx'
const DECODER = 'onnx/decoder_model_merged.onnx'
const remove = (name: string) => (path: string) => rmSync(join(path, name))
const write = (name: string, text: string | Buffer) => (path: string) => writeFileSync(join(path, name), text)

describe('a whisper folder', () => {
  const problems: readonly (readonly [string, (path: string) => void, readonly string[]])[] = [
    ['no config', remove('config.json'), ['config.json', 'missing']],
    ['no JSON', write('config.json', '<html>'), ['config.json', 'no JSON']],
    ['another network', edit('config.json', { model_type: 'wav2vec2' }), ['config.json', 'model_type']],
    ['no layers', edit('config.json', { decoder_layers: 0 }), ['config.json', 'decoder_layers']],
    [
      'other layers',
      edit('config.json', { decoder_layers: 3 }),
      [DECODER, 'decoder_layers', 'past_key_values.2'],
    ],
    ['fewer layers', edit('config.json', { decoder_layers: 1 }), [DECODER, 'decoder_layers']],
    [
      'other heads',
      edit('config.json', { decoder_attention_heads: 4 }),
      [DECODER, 'decoder_attention_heads'],
    ],
    ['other tokens', edit('config.json', { vocab_size: 5000 }), [DECODER, 'vocab_size']],
    ['odd width', edit('config.json', { d_model: 33 }), ['config.json', 'd_model']],
    ['no letters', write('tokenizer.json', Buffer.of(0x22, 0xff, 0x22)), ['tokenizer.json', 'UTF-8']],
    ['other bins', edit('config.json', { num_mel_bins: 128 }), ['preprocessor_config.json', 'feature_size']],
    [
      'other front end',
      edit('preprocessor_config.json', { hop_length: 80 }),
      ['preprocessor_config.json', 'hop_length'],
    ],
    ['no generation config', remove('generation_config.json'), ['generation_config.json', 'missing']],
    [
      'wrong end',
      edit('generation_config.json', { eos_token_id: 7 }),
      ['generation_config.json', 'eos_token_id'],
    ],
    [
      'wrong timestamps',
      edit('generation_config.json', { no_timestamps_token_id: 99_999 }),
      ['generation_config.json', 'no_timestamps_token_id', 'vocab_size'],
    ],
    [
      'wrong language',
      edit('generation_config.json', { lang_to_id: { '<|en|>': 3 } }),
      ['generation_config.json', 'lang_to_id.<|en|>'],
    ],
    [
      'wrong suppressed',
      edit('generation_config.json', { suppress_tokens: [123_456] }),
      ['generation_config.json', 'suppress_tokens'],
    ],
    ['no tokenizer', remove('tokenizer.json'), ['tokenizer.json', 'missing']],
    ['empty tokenizer', write('tokenizer.json', '{}'), ['tokenizer.json', 'no tokenizer']],
    ['no encoder', remove(ENCODER), [ENCODER, 'missing']],
    ['no decoder', remove(DECODER), [DECODER, 'missing']],
    ['cut encoder', (path) => truncateSync(join(path, ENCODER), 100_000), ['encoder_model.onnx']],
    ['a page', write(DECODER, '<html>Not found</html>'), ['decoder_model_merged.onnx']],
    ['halves swapped', (path) => cpSync(join(path, ENCODER), join(path, DECODER)), [DECODER, 'input_ids']],
  ]
  it.each(problems)('[WH14] %s: one error that names file and field', async (_, change, named) => {
    const error = await taskErrorOf(changed(change))
    expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
    expect(error.message).toContain('broken')
    for (const word of named) expect(error.message).toContain(word)
  })

  it('[WH14] halves of other precisions are found, also beside the configs', async () => {
    const model = await changed((path) => {
      renameSync(join(path, ENCODER), join(path, 'onnx/encoder_model_fp16.onnx'))
      renameSync(join(path, DECODER), join(path, 'decoder_model_merged_q4.onnx'))
      rmSync(join(path, 'preprocessor_config.json'))
      rmSync(join(path, 'tokenizer_config.json'))
    })
    expect(model.heads).toEqual([
      [0, 1],
      [1, 0],
      [1, 1],
    ])
    await releaseModel(model)
  })

  it('[WH14] heads that the decoder does not have mean no word times', async () => {
    const model = await changed(edit('generation_config.json', { alignment_heads: [[7, 0]] }))
    expect(model.heads).toEqual([])
    await releaseModel(model)
  })

  it('[WH15] a batch is as wide as its keys and values have room', async () => {
    const { decoder } = await loadModel({ runtimeModelId: 'whole', folder: whole, threads: 1, device: 'cpu' })
    // Two layers of 1500 positions of 32 floats, keys and values: 768,000 bytes a row.
    expect(batchSizeOf({ rows: 8, bytes: 1e9 }, decoder)).toBe(8)
    expect(batchSizeOf({ rows: 8, bytes: 3 * 768_000 }, decoder)).toBe(3)
    expect(batchSizeOf({ rows: 8, bytes: 1000 }, decoder)).toBe(1)
    await decoder.release()
  })

  it('[WH15] a network that runs out of memory is out_of_memory, which may be tried again', async () => {
    for (const message of [
      'bad allocation: std::bad_alloc',
      'Failed to allocate memory for requested buffer of size 9',
    ])
      expect(await taskErrorOf(runNetwork(DECODER, () => Promise.reject(new Error(message))))).toMatchObject({
        code: 'out_of_memory',
        retryable: true,
      })
    await expect(runNetwork(DECODER, () => Promise.reject(new Error('other')))).rejects.toThrow('other')
  })

  it('[WH1] half floats keep their value', () => {
    const values = Float32Array.of(0, 1, -2.5, 65_504, 6e-8, Number.POSITIVE_INFINITY)
    const back = asFloats(asType(values, 'float16'))
    expect(Array.from(back)).toEqual([0, 1, -2.5, 65_504, 2 ** -24, Number.POSITIVE_INFINITY])
  })
})
