import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import {
  AutoProcessor,
  AutoTokenizer,
  env,
  LogitsProcessor,
  LogitsProcessorList,
  Tensor,
  WhisperForConditionalGeneration,
} from '@huggingface/transformers'

/**
 * transformers.js in a process of its own. Each message is `{ id, call, ... }`, each answer `{ id, result }` or `{ id, error }`.
 * Audio comes as the path of a file of float32 samples; features may come beside it, and are heard instead.
 */
env.allowRemoteModels = false

const CALLS = { load, features, generate, time }
let loaded = null

process.on('message', async ({ id, call, ...options }) => {
  try {
    process.send({ id, result: await CALLS[call](options) })
  } catch (error) {
    process.send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
process.send({ id: 0, result: 'ready' })

async function load({ folder, dtype, threads }) {
  if (loaded !== null) await loaded.model.dispose()
  env.localModelPath = dirname(folder)
  const name = basename(folder)
  const session_options = { intraOpNumThreads: threads, interOpNumThreads: 1 }
  const model = await WhisperForConditionalGeneration.from_pretrained(name, {
    dtype,
    device: 'cpu',
    session_options,
  })
  loaded = {
    model,
    processor: await AutoProcessor.from_pretrained(name),
    tokenizer: await AutoTokenizer.from_pretrained(name),
  }
  return null
}

async function features({ audio }) {
  const { input_features: tensor } = await loaded.processor(samplesOf(audio))
  return { data: tensor.data, dims: tensor.dims }
}

/** Greedy with timestamps. With `rules` the reference's rules that this library leaves out are put before its own. */
async function generate({ audio, features, tokenLimit, frames, rules, words }) {
  const { model, tokenizer } = loaded
  const input_features =
    features === null
      ? (await loaded.processor(samplesOf(audio))).input_features
      : new Tensor('float32', features, [1, features.length / 3000, 3000])
  const logits_processor = new LogitsProcessorList()
  if (rules !== null) logits_processor.push(new ReferenceRules(rules))
  const multilingual = model.generation_config.is_multilingual
  const made = await model.generate({
    inputs: input_features,
    logits_processor,
    return_timestamps: true,
    return_token_timestamps: frames !== null,
    num_frames: frames,
    max_new_tokens: tokenLimit,
    ...(multilingual ? { language: 'en', task: 'transcribe' } : {}),
  })
  const sequence = (frames === null ? made : made.sequences).tolist()[0].map(Number)
  const prefix = multilingual ? 3 : 1
  const tokens = sequence.slice(prefix)
  if (frames === null) return { tokens, times: null, words: null }
  const times = made.token_timestamps
    .tolist()[0]
    .slice(prefix)
    .map((time) => Math.round(time * 100) / 100)
  return { tokens, times, words: words ? wordsOf(tokenizer, tokens, times) : null }
}

/** Null where the library fails: over a segment without text. */
function wordsOf(tokenizer, tokens, times) {
  try {
    return groupedWords(tokenizer, tokens, times)
  } catch (error) {
    if (/non-empty array/.test(error.message)) return null
    throw error
  }
}

function groupedWords(tokenizer, tokens, times) {
  const sequences = [{ tokens: tokens.map(BigInt), token_timestamps: times, stride: [30, 0, 0] }]
  const [, { chunks }] = tokenizer._decode_asr(sequences, {
    time_precision: 0.02,
    return_timestamps: 'word',
    force_full_sequences: false,
  })
  return chunks.map(({ text, timestamp: [start, end] }) => ({ text, start, end }))
}

/** The processor's milliseconds for one pass over 30 s of sound: features, encoder, and exactly so many tokens. */
async function time({ audio, tokens }) {
  const { model } = loaded
  const samples = samplesOf(audio)
  const before = process.cpuUsage()
  const { input_features } = await loaded.processor(samples)
  const made = await model.generate({
    inputs: input_features,
    return_timestamps: true,
    language: 'en',
    task: 'transcribe',
    min_new_tokens: tokens,
    max_new_tokens: tokens,
  })
  const { user, system } = process.cpuUsage(before)
  return { ms: (user + system) / 1000, tokens: made.dims.at(-1) - 3 }
}

/** openai/whisper, `ApplyTimestampRules`: timestamps never go back, no segment is empty, the first is near the start. */
class ReferenceRules extends LogitsProcessor {
  constructor({ firstTimestamp, firstLimit, prefixLength }) {
    super()
    Object.assign(this, { firstTimestamp, firstLimit, prefixLength })
  }

  _call(ids, logits) {
    for (let row = 0; row < ids.length; row++) {
      const { data } = logits[row]
      const written = ids[row].slice(this.prefixLength).map(Number)
      if (written.length === 0) {
        data.fill(-Infinity, this.firstTimestamp + this.firstLimit + 1)
        continue
      }
      const latest = written.findLast((token) => token >= this.firstTimestamp)
      if (latest === undefined) continue
      const before = written.at(-2)
      const isPair =
        written.at(-1) >= this.firstTimestamp && before !== undefined && before < this.firstTimestamp
      data.fill(-Infinity, this.firstTimestamp, isPair ? latest : latest + 1)
    }
    return logits
  }
}

function samplesOf(path) {
  const bytes = readFileSync(path)
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}
