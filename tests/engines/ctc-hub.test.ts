import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import {
  HUB_PREPROCESSOR,
  HUB_TOKENIZER,
  HUB_VOCABULARY,
  type HubFiles,
  hubNetwork,
  writeHubModel,
} from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, runTranscribe, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { SLOT_SECONDS, type ToneScript, toneSpeech } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const load = (files: HubFiles = {}) => loadModel(modelFilesIn(writeHubModel(folder.fresh('model'), files)))

const plain = await load()

function transcribe(
  samples: Float32Array | ToneScript,
  options: Parameters<typeof runTranscribe>[4] = {},
  model = plain,
) {
  const sound = samples instanceof Float32Array ? samples : toneSpeech(samples)
  return runTranscribe(ctc, model, sound, folder.fresh('run'), options)
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
})
