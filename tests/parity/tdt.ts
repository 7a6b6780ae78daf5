import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { z } from 'zod'
import { readStepModel } from '#engines/onnx/loop-file.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import type { Emission } from '#engines/parakeet/emission.ts'
import { loadModel } from '#engines/parakeet/model-folder.ts'
import { StepLoop } from '#engines/parakeet/step-loop.ts'
import { stepModelOf } from '#engines/parakeet/step-model.ts'
import type { Vocabulary } from '#engines/parakeet/vocabulary.ts'
import { deafEncoder, type Layouts, writeLayouts } from '#tests/kit/parakeet-layouts.ts'
import { randomWeights } from '#tests/kit/parakeet-networks.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import type { Parity } from './parity.ts'
import { Peer } from './peer.ts'

/**
 * Tokens, places and durations of transducers (TDT and RNN-T) with random weights, through the whole engine from samples on,
 * against sherpa-onnx on the same weights. Its front end is another than NeMo's, so the encoder is one that does not hear:
 * see `deafEncoder`.
 */
const MODELS = 20
const FEATURES = 80
const LONGEST_SECONDS = 20
const FRAMES = (LONGEST_SECONDS * 100) / 8 + 1
/** Two logits this close may fall either way: sums of floats differ by the order in which they are added. */
const TIE = 1e-3
const MOST_TIES = 0.01

const Said = z.object({
  tokens: z.array(z.string()),
  timestamps: z.array(z.number()),
  /** None for RNN-T. */
  durations: z.array(z.number()).default([]),
})
type Said = z.infer<typeof Said>

interface Case {
  readonly name: string
  readonly layouts: Layouts
  readonly samples: Float32Array
}

export const parity: Parity = {
  peer: 'sherpa-onnx-node 1.13.8',
  async *run(print) {
    using folder = new TempFolder()
    await using peer = await Peer.start('sherpa-transducer.mjs')
    let tokens = 0
    let ties = 0
    let wrong = 0
    for (let index = 0; index < MODELS; index++) {
      const one = makeCase(folder.join(String(index)), index)
      const { sherpa } = one.layouts
      const truth = lines(
        Said.parse(
          await peer.call('transcribe', { folder: sherpa, features: FEATURES, samples: one.samples }),
        ),
      )
      const { ours, gaps } = await searched(one)
      const found = ours.map(lineOf)
      tokens += truth.length
      print(
        `${one.name}: ${truth.length} tokens, ${new Set(ours.map(({ token }) => token)).size} kinds of token`,
      )
      const first = firstDifference(found, truth)
      if (first === null) continue
      // A tie changes all that comes after it: a model counts once, with the gap before its first difference.
      const gap = gaps[first] ?? Number.POSITIVE_INFINITY
      if (gap <= TIE) ties += 1
      else wrong += 1
      print(
        `different: token ${first}: ours ${found[first]}, theirs ${truth[first]}, best two ${gap.toExponential(1)} apart`,
      )
    }
    yield {
      name: `tokens, places and durations of ${MODELS} models (${tokens} tokens)`,
      found: `${wrong + ties} different, ${wrong} of them unexplained`,
      limit: `none but where the best two logits lie within ${TIE}`,
      holds: wrong === 0 && tokens > MODELS * 10,
    }
    yield {
      name: 'ties',
      found: String(ties),
      limit: `at most ${MOST_TIES * 100} % of tokens`,
      holds: ties <= MOST_TIES * tokens,
    }
  },
}

function firstDifference(found: readonly string[], truth: readonly string[]): number | null {
  for (let index = 0; index < Math.max(found.length, truth.length); index++)
    if (found[index] !== truth[index]) return index
  return null
}

function makeCase(path: string, index: number): Case {
  const random = seeded(100 + index)
  const isTdt = index % 2 === 0
  const shape = {
    tokens: 30 + Math.floor(random() * 170),
    durations: isTdt ? 5 : 0,
    encoderSize: 16 + Math.floor(random() * 48),
    hidden: 16 + Math.floor(random() * 32),
    layers: 1 + (index % 3 === 0 ? 0 : 1),
    joint: 16 + Math.floor(random() * 48),
  }
  const weights = randomWeights(shape, random, isTdt ? 1.5 : 3)
  const encoder = deafEncoder(FEATURES, shape.encoderSize, FRAMES, random)
  const layouts = writeLayouts(path, FEATURES, encoder, shape, weights)
  const samples = Float32Array.from(
    { length: 160 * Math.floor(100 + random() * (LONGEST_SECONDS - 1) * 100) },
    () => (random() - 0.5) / 2,
  )
  const seconds = Math.round(samples.length / 160) / 100
  return { name: `${isTdt ? 'TDT' : 'RNN-T'} ${index} (${seconds} s)`, layouts, samples }
}

/** The engine's tokens, and for each how close the step that wrote it was to another outcome since the token before. */
async function searched(one: Case): Promise<{ ours: Emission[]; gaps: number[] }> {
  const model = await loadModel({
    runtimeModelId: one.name,
    folder: one.layouts.hub,
    threads: 1,
    device: 'cpu',
  })
  const [ours = []] = await model.recognizer.recognize([one.samples], async () => {})
  await model.recognizer.release()
  return { ours, gaps: await gapsOf(one, model.vocabulary, model.config.max_tokens_per_step) }
}

async function gapsOf(one: Case, vocabulary: Vocabulary, mostTokens: number): Promise<number[]> {
  const path = join(one.layouts.hub, 'decoder_joint-model.onnx')
  const encoder = await openSession(join(one.layouts.hub, 'encoder-model.onnx'), { threads: 1 })
  const session = await openSession(path, { threads: 1 })
  const made = await readStepModel(path)
  const hasDurations = one.name.startsWith('TDT')
  const checked = stepModelOf(made.model.graph, { tokens: vocabulary.size, mostTokens, hasDurations })
  if ('problem' in checked) throw new Error(checked.problem)
  const gaps: number[] = []
  let closest = Number.POSITIVE_INFINITY
  const watched = {
    release: () => session.release(),
    async run(feeds: InferenceSession.FeedsType) {
      const said = await session.run(feeds)
      const logits = Array.from(z.instanceof(Float32Array).parse(said.outputs?.data))
      const byToken = logits.slice(0, vocabulary.size)
      closest = Math.min(closest, gapOf(byToken), gapOf(logits.slice(vocabulary.size)))
      if (byToken.indexOf(Math.max(...byToken)) !== vocabulary.blank) {
        gaps.push(closest)
        closest = Number.POSITIVE_INFINITY
      }
      return said
    },
  }
  const { Tensor } = await import('onnxruntime-node')
  const frames = one.samples.length / 160
  const said = await encoder.run({
    audio_signal: new Tensor('float32', new Float32Array(FEATURES), [1, FEATURES, 1]),
    length: new Tensor('int64', BigInt64Array.of(BigInt(frames)), [1]),
  })
  const data = z.instanceof(Float32Array).parse(said.outputs?.data)
  const [, channels = 0, length = 0] = said.outputs?.dims ?? []
  const encoded = { data, items: 1, channels, frames: length, lengths: [length] }
  await new StepLoop(watched, checked.stepModel).search(encoded, async () => {})
  await encoder.release()
  await session.release()
  return [...gaps, closest]
}

function gapOf(values: readonly number[]): number {
  const [first = Number.POSITIVE_INFINITY, second = Number.NEGATIVE_INFINITY] = values.toSorted(
    (a, b) => b - a,
  )
  return values.length < 2 ? Number.POSITIVE_INFINITY : first - second
}

/** `token@frame+frames`; sherpa-onnx writes a space for the sign of a word's start, and no durations for RNN-T. */
function lines(said: Said): string[] {
  return said.tokens.map((token, index) => {
    const id = token.replace(/^ /, '').replace(/^\D*/, '')
    const duration = said.durations[index]
    const frame = Math.round((said.timestamps[index] ?? 0) / 0.08)
    return `${id === '' ? token.trim() : id}@${frame}+${duration === undefined ? 0 : Math.round(duration / 0.08)}`
  })
}

function lineOf(emission: Emission): string {
  return `${NAMES[emission.token] ?? emission.token}@${emission.frame}+${emission.frames}`
}

/** What `randomVocabulary` does not name by number. */
const NAMES: Readonly<Record<number, string>> = { 0: '<unk>', 1: '.' }
