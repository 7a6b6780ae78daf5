import type { OnnxModel } from '#engines/onnx/graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { configOf, writeWhisperFolder } from './whisper-models.ts'
import { PARTS, SOURCE_POSITIONS, TARGET_POSITIONS } from './whisper-network.ts'
import { TIMESTAMPS, type WhisperVocabulary, whisperVocabulary } from './whisper-vocabulary.ts'

/** A model that hears nothing: over any sound it says the same, as a network does that makes things up. */
export interface Parrot {
  /** Behind the prefix: text, or a timestamp in seconds. */
  readonly says: readonly (string | number)[]
  /** How much likelier each of its tokens is than any other, as a logit: 30 is certain, 6 a quarter. */
  readonly sureness: number
  /** Of what it says, or it begins again where it would end. */
  readonly hasEnd: boolean
  /** How likely it holds that nobody speaks. */
  readonly noSpeech: number
}

const WIDTH = 8
/** Start, language, task. */
const PREFIX = 3

export function writeParrot(folder: string, parrot: Parrot): WhisperVocabulary {
  const vocabulary = whisperVocabulary()
  writeWhisperFolder(folder, {
    vocabulary,
    config: configOf({
      d_model: WIDTH,
      heads: 1,
      encoder_layers: 1,
      decoder_layers: 1,
      ffn_dim: WIDTH,
      num_mel_bins: 80,
      vocab_size: vocabulary.size,
    }),
    melBins: 80,
    alignmentHeads: [[0, 0]],
    encoder: encodeModel(deafEncoder()),
    decoder: encodeModel(parrotDecoder(vocabulary, parrot)),
  })
  return vocabulary
}

function deafEncoder(): OnnxModel {
  const builder = graphBuilder('deaf-encoder')
  const mel = builder.input('input_features', 'float32', ['batch_size', 80, 2 * SOURCE_POSITIONS])
  const pairs = builder.node('Reshape', [mel, builder.ints(0, 0, SOURCE_POSITIONS, 2)])
  const loudness = builder.reduce('ReduceMean', pairs, [1, 3], false)
  const column = builder.node('Unsqueeze', [loudness, builder.ints(2)])
  const hidden = builder.node('Tile', [column, builder.ints(1, 1, WIDTH)])
  builder.output('last_hidden_state', hidden, 'float32', ['batch_size', SOURCE_POSITIONS, WIDTH])
  return builder.model()
}

/** Its logits depend on how much was read, and on nothing else. */
function parrotDecoder(vocabulary: WhisperVocabulary, parrot: Parrot): OnnxModel {
  const builder = graphBuilder('parrot')
  const ids = builder.input('input_ids', 'int64', ['batch_size', 'decoder_sequence_length'])
  const encoded = builder.input('encoder_hidden_states', 'float32', ['batch_size', 'length', WIDTH])
  const [pastKey = '', ...others] = PARTS.map((part) =>
    builder.input(`past_key_values.0.${part}`, 'float32', [
      'batch_size',
      1,
      `${part.split('.')[0]}_past`,
      WIDTH,
    ]),
  )
  const cached = builder.input('use_cache_branch', 'bool', [1])
  builder.weight(float32('script', [TARGET_POSITIONS, vocabulary.size], scriptOf(vocabulary, parrot)))
  const past = [pastKey, ...others]
  const made = builder.if(
    cached,
    (inside) => parrotBranch(inside, ids, encoded, past, true),
    (inside) => parrotBranch(inside, ids, encoded, past, false),
  )
  const names = ['logits', ...PARTS.map((part) => `present.0.${part}`), 'cross_attentions.0']
  for (const [index, name] of names.entries()) {
    const shape =
      name === 'logits'
        ? ['batch_size', 'decoder_sequence_length', vocabulary.size]
        : ['batch_size', 1, `${name}_length`, `${name}_width`]
    builder.output(name, made[index] ?? '', 'float32', shape)
  }
  return builder.model()
}

function parrotBranch(
  builder: GraphBuilder,
  ids: Value,
  encoded: Value,
  past: readonly Value[],
  withCache: boolean,
): Value[] {
  const [pastKey = '', , encoderKey = ''] = past
  const size = (value: Value, axis: number) =>
    builder.node('Gather', [builder.node('Shape', [value]), builder.int(axis)], { attributes: { axis: 0 } })
  const length = size(ids, 1)
  const before = withCache ? size(pastKey, 2) : builder.int(0)
  const places = builder.node('Range', [before, builder.node('Add', [before, length]), builder.int(1)])
  const rows = builder.node('Unsqueeze', [builder.node('Gather', ['script', places]), builder.ints(0)])
  const column = builder.node('Unsqueeze', [
    builder.node('Cast', [ids], { attributes: { to: 1 } }),
    builder.ints(2),
  ])
  const nothing = builder.node('Mul', [column, builder.float(0)])
  const logits = builder.node('Add', [rows, nothing])
  const now = builder.node('Unsqueeze', [
    builder.node('Tile', [nothing, builder.ints(1, 1, WIDTH)]),
    builder.ints(1),
  ])
  const key = withCache
    ? builder.node('Concat', [pastKey, now], { attributes: { axis: 2 } })
    : builder.node('Identity', [now])
  const none = builder.node('ConstantOfShape', [builder.ints(0, 1, 1, WIDTH)])
  const heard = withCache ? none : builder.node('Unsqueeze', [encoded, builder.ints(1)])
  const flat = builder.node('Tile', [nothing, builder.ints(1, 1, SOURCE_POSITIONS)])
  const attention = builder.node('Unsqueeze', [
    builder.node('Softmax', [flat], { attributes: { axis: 2 } }),
    builder.ints(1),
  ])
  const same = (value: Value) => builder.node('Identity', [value])
  return [logits, key, same(key), same(heard), same(withCache ? encoderKey : heard), attention]
}

/** [position][token]: what comes behind so many tokens. */
function scriptOf(vocabulary: WhisperVocabulary, { says, sureness, hasEnd, noSpeech }: Parrot): Float32Array {
  const { size } = vocabulary
  const script = new Float32Array(TARGET_POSITIONS * size)
  // Behind the start: the language, and whether anybody speaks, as shares of all.
  const share = Math.min(0.999, Math.max(0.001, noSpeech))
  script.fill(-40, 0, size)
  script[vocabulary.id('<|nospeech|>')] = Math.log(share)
  script[vocabulary.id('<|en|>')] = Math.log(1 - share)
  const tokens = says.flatMap((part) => tokensOf(vocabulary, part))
  const written = hasEnd ? [...tokens, vocabulary.id('<|endoftext|>')] : tokens
  for (let place = PREFIX - 1; place < TARGET_POSITIONS; place++) {
    const row = place * size
    // Steering tokens and timestamps come only where they are said: all timestamps together would outweigh an unsure text.
    script.fill(-40, row + vocabulary.text.length, row + size)
    const token = written[(place - PREFIX + 1) % written.length] ?? 0
    script[row + token] = sureness
  }
  return script
}

function tokensOf(vocabulary: WhisperVocabulary, part: string | number): number[] {
  if (typeof part === 'number') return [vocabulary.size - TIMESTAMPS + Math.round(part * 50)]
  return Array.from(part, (character) => vocabulary.id(character.replace(' ', 'Ġ')))
}
