import { type GraphBuilder, graphBuilder, type Value } from '#engines/onnx/graph-builder.ts'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { TIMESTAMPS, type WhisperVocabulary } from './whisper-vocabulary.ts'

/** What the tone network is made for. */
export interface TonePlan {
  readonly vocabulary: WhisperVocabulary
  /** The mel bin of each tone; the last two are the stutter and the mumble. */
  readonly bins: readonly number[]
  readonly tones: readonly string[]
  readonly translated: readonly string[]
  readonly stutter: number
  readonly mumble: number
  readonly crossAttentions: boolean
  readonly isHalf: boolean
}

const POSITIONS = 1500
export const WIDTH = 48
/** In a hidden state: which tone (one column each), and, in the last column, whether there is any. */
const VOICED = WIDTH - 1
/** A bin this far above the mean of all (log10 / 4) is a tone. */
const CONTRAST = 0.4
const FLOAT = 1
const HALF = 10
const BOOL_TO_FLOAT = { attributes: { to: FLOAT } }

/** Mel spectrum → which tone sounds in each of 1500 frames. */
export function toneEncoder(plan: TonePlan): OnnxModel {
  const builder = graphBuilder('tone-encoder')
  const type = plan.isHalf ? 'float16' : 'float32'
  const input = builder.input('input_features', type, ['batch_size', 80, 2 * POSITIONS])
  const mel = builder.node('Cast', [input], { attributes: { to: FLOAT } })
  const pairs = builder.node('Reshape', [mel, builder.ints(0, 0, POSITIONS, 2)])
  const frames = builder.reduce('ReduceMean', pairs, [3], false)
  const highest = builder.reduce('ReduceMax', frames, [1], true)
  const contrast = builder.node('Sub', [highest, builder.reduce('ReduceMean', frames, [1], true)])
  const voiced = builder.node('Cast', [builder.node('Greater', [contrast, builder.float(CONTRAST)])], BOOL_TO_FLOAT)
  const tones = builder.node('Gather', [frames, builder.ints(...plan.bins)], { attributes: { axis: 1 } })
  const best = builder.node('Equal', [tones, builder.reduce('ReduceMax', tones, [1], true)])
  const which = builder.node('Mul', [builder.node('Cast', [best], BOOL_TO_FLOAT), voiced])
  const padded = builder.node('Pad', [which, builder.ints(0, 0, 0, 0, VOICED - plan.bins.length, 0)])
  const columns = builder.node('Concat', [padded, voiced], { attributes: { axis: 1 } })
  const hidden = builder.node('Transpose', [columns], { attributes: { perm: [0, 2, 1] } })
  const output = builder.node('Cast', [hidden], { attributes: { to: plan.isHalf ? HALF : FLOAT } })
  builder.output('last_hidden_state', output, type, ['batch_size', POSITIONS, WIDTH])
  return builder.model()
}

/** What the cache holds of each token that was read. */
const TOKEN = { text: 0, timestamp: 1, frame: 2, start: 3, translate: 4, previous: 5 }
const PARTS = ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'] as const

/**
 * The decoder reads where it is from its self-attention cache: at the last timestamp, and a slot further for each text token
 * since. It looks there with its cross-attention, and writes the tone's token; an end timestamp where there is none; then the
 * next start, or the end.
 */
export function toneDecoder(plan: TonePlan): OnnxModel {
  const builder = graphBuilder('tone-decoder')
  const type = plan.isHalf ? 'float16' : 'float32'
  const size = plan.vocabulary.size
  const ids = builder.input('input_ids', 'int64', ['batch_size', 'decoder_sequence_length'])
  const encoded = builder.input('encoder_hidden_states', type, ['batch_size', 'encoder_length', WIDTH])
  const past = PARTS.map((part) =>
    builder.input(`past_key_values.0.${part}`, type, ['batch_size', 1, `${part.split('.')[0]}_past`, WIDTH]),
  )
  const cached = builder.input('use_cache_branch', 'bool', [1])
  builder.weight(float32('read', [size, WIDTH], readTable(plan.vocabulary)))
  builder.weight(float32('written', [WIDTH, size], writtenTable(plan, plan.tones)))
  builder.weight(float32('written_translated', [WIDTH, size], writtenTable(plan, plan.translated)))
  builder.weight(float32('base', [size], baseLogits(plan.vocabulary)))
  builder.weight(float32('frames', [POSITIONS], Array.from({ length: POSITIONS }, (_, frame) => frame)))
  const branch = (withCache: boolean) => (inside: GraphBuilder) =>
    decoderBranch(inside, { plan, ids, encoded, past, withCache })
  const made = builder.if(cached, branch(true), branch(false))
  const named = ['logits', ...PARTS.map((part) => `present.0.${part}`), 'cross_attentions.0']
  for (const [index, name] of named.entries()) {
    if (name.startsWith('cross') && !plan.crossAttentions) continue
    const value = builder.node('Cast', [made[index] ?? ''], { attributes: { to: plan.isHalf ? HALF : FLOAT } })
    const shape = name === 'logits' ? ['batch_size', 'length', size] : ['batch_size', 1, `${name}_length`, '']
    builder.output(name, value, type, shape)
  }
  return builder.model()
}

interface Branch {
  readonly plan: TonePlan
  readonly ids: Value
  readonly encoded: Value
  readonly past: readonly Value[]
  readonly withCache: boolean
}

/** Frames from one slot to the next, and from a slot's start to its middle. */
const SLOT = 5
const MIDDLE = 2
const NOWHERE = 9999

function decoderBranch(builder: GraphBuilder, branch: Branch): Value[] {
  const { plan, withCache } = branch
  const [pastKey = '', , encoderKey = ''] = branch.past
  const float = (value: Value) => builder.node('Cast', [value], { attributes: { to: FLOAT } })
  const op = (operator: string, ...inputs: Value[]) => builder.node(operator, inputs)
  const truth = (operator: string, left: Value, right: Value) => float(op(operator, left, right))
  const not = (value: Value) => op('Sub', builder.float(1), value)
  const column = (value: Value, index: number, axis: number) =>
    builder.node('Gather', [value, builder.int(index)], { attributes: { axis } })

  // [batch, tokens, width]: everything that was read, and [batch, 1500, width]: everything that was heard.
  const now = op('Unsqueeze', op('Gather', 'read', branch.ids), builder.ints(1))
  const key = withCache
    ? builder.node('Concat', [float(pastKey), now], { attributes: { axis: 2 } })
    : op('Identity', now)
  const heardKey = withCache ? float(encoderKey) : op('Unsqueeze', float(branch.encoded), builder.ints(1))
  const read = op('Squeeze', key, builder.ints(1))
  const heard = op('Squeeze', heardKey, builder.ints(1))
  const perToken = (index: number) => column(read, index, 2)
  const sum = (value: Value) => builder.reduce('ReduceSum', value, [1], true)

  // Where it is: [batch, 1] each.
  const isTimestamp = perToken(TOKEN.timestamp)
  const timestamps = sum(isTimestamp)
  const isOpen = op('Mod', builder.node('Cast', [timestamps], { attributes: { to: 7 } }), builder.int(2))
  const open = float(isOpen)
  const begun = truth('Greater', timestamps, builder.float(0))
  const order = builder.node('CumSum', [isTimestamp, builder.int(1)])
  const sinceLast = truth('Equal', order, timestamps)
  const textSince = sum(op('Mul', perToken(TOKEN.text), sinceLast))
  const lastFrame = builder.reduce('ReduceMax', op('Mul', perToken(TOKEN.frame), isTimestamp), [1], true)
  const slots = op('Mul', op('Mul', textSince, builder.float(SLOT)), begun)
  const place = op('Add', lastFrame, slots)
  const hasText = truth('Greater', op('Mul', textSince, begun), builder.float(0))

  // What is there: [batch, width], and where the next tone begins.
  const looked = truth('Equal', 'frames', op('Add', place, builder.float(MIDDLE)))
  const there = op('Squeeze', op('MatMul', op('Unsqueeze', looked, builder.ints(1)), heard), builder.ints(1))
  const voicedThere = builder.node('Gather', [there, builder.ints(VOICED)], { attributes: { axis: 1 } })
  const voiced = column(heard, VOICED, 2)
  const from = op('Mul', op('Add', place, builder.float(MIDDLE)), begun)
  const isLater = op('And', op('Greater', voiced, builder.float(0.5)), op('GreaterOrEqual', 'frames', from))
  const onset = builder.reduce('ReduceMin', op('Where', isLater, 'frames', builder.float(NOWHERE)), [1], true)
  const isMore = truth('Less', onset, builder.float(NOWHERE))

  // What to write: a tone, the end of a segment, the start of one, the end of all.
  const writesTone = op('Mul', open, voicedThere)
  const writesEnd = op('Mul', op('Mul', open, not(voicedThere)), hasText)
  const writesStart = op('Mul', not(open), isMore)
  const ends = not(op('Add', op('Add', writesTone, writesEnd), writesStart))
  const stamp = op('Add', op('Mul', writesEnd, place), op('Mul', writesStart, onset))
  const stamps = truth('Equal', 'frames', stamp)
  const written = timestampLogits(builder, plan, op('Mul', stamps, op('Add', writesEnd, writesStart)))
  const translates = truth('Greater', sum(perToken(TOKEN.translate)), builder.float(0))
  const plainText = op('Mul', op('MatMul', there, 'written'), not(translates))
  const translated = op('Mul', op('MatMul', there, 'written_translated'), translates)
  const tone = op('Mul', op('Add', plainText, translated), writesTone)
  const end = op('Mul', ends, oneToken(builder, plan.vocabulary, '<|endoftext|>', 80))
  const next = op('Add', op('Add', op('Add', 'base', tone), written), end)

  // [batch, length, vocabulary]: behind the start of a transcript it is asked for the language and whether anybody speaks.
  const asked = startLogits(builder, plan, heard, voiced, onset)
  const isStart = column(op('Gather', 'read', branch.ids), TOKEN.start, 2)
  const starts = op('Unsqueeze', isStart, builder.ints(2))
  const row = (value: Value) => op('Unsqueeze', value, builder.ints(1))
  const logits = op('Add', op('Mul', starts, row(asked)), op('Mul', not(starts), row(next)))

  const before = op('Sub', onset, builder.float(MIDDLE + 1))
  const slotMiddle = op('Add', place, builder.float(MIDDLE))
  const middle = op('Add', op('Mul', writesStart, before), op('Mul', not(writesStart), slotMiddle))
  const attention = attentionAt(builder, branch.ids, middle)
  const none = builder.node('ConstantOfShape', [builder.ints(0, 1, 1, WIDTH)])
  const kept = withCache ? none : heardKey
  return [logits, key, op('Identity', key), op('Identity', kept), op('Identity', kept), attention]
}

/** On the slot that is written next; a start's is on the silence before it, an end's on the one behind. */
function attentionAt(builder: GraphBuilder, ids: Value, middle: Value): Value {
  const op = (operator: string, ...inputs: Value[]) => builder.node(operator, inputs)
  const distance = op('Abs', op('Sub', 'frames', middle))
  const weights = builder.node('Softmax', [op('Mul', distance, builder.float(-0.06))], { attributes: { axis: 1 } })
  const shape = builder.node('Concat', [op('Shape', ids), builder.ints(POSITIONS)], { attributes: { axis: 0 } })
  const rows = op('Expand', op('Unsqueeze', weights, builder.ints(1)), shape)
  return op('Unsqueeze', rows, builder.ints(1))
}

/** German where the first tone is a word's `d`; nobody speaks where there is no tone, or only mumbling. */
function startLogits(builder: GraphBuilder, plan: TonePlan, heard: Value, voiced: Value, onset: Value): Value {
  const op = (operator: string, ...inputs: Value[]) => builder.node(operator, inputs)
  const truth = (operator: string, left: Value, right: Value) =>
    builder.node('Cast', [op(operator, left, right)], BOOL_TO_FLOAT)
  const first = truth('Equal', 'frames', op('Add', onset, builder.float(MIDDLE)))
  const tone = op('Squeeze', op('MatMul', op('Unsqueeze', first, builder.ints(1)), heard), builder.ints(1))
  const which = (index: number) => builder.node('Gather', [tone, builder.ints(index)], { attributes: { axis: 1 } })
  const silent = truth('Less', builder.reduce('ReduceSum', voiced, [1], true), builder.float(0.5))
  const mumbled = which(plan.mumble)
  const nobody = op('Mul', op('Add', silent, mumbled), oneToken(builder, plan.vocabulary, '<|nospeech|>', 60))
  const base = op('Add', 'base', nobody)
  if (plan.vocabulary.languages.length === 0) return base
  const german = which(plan.tones.indexOf('Ġd'))
  const english = oneToken(builder, plan.vocabulary, '<|en|>', 50)
  return op('Add', op('Add', base, english), op('Mul', german, oneToken(builder, plan.vocabulary, '<|de|>', 55)))
}

function timestampLogits(builder: GraphBuilder, plan: TonePlan, frames: Value): Value {
  const before = plan.vocabulary.size - TIMESTAMPS
  const padded = builder.node('Pad', [frames, builder.ints(0, before, 0, 1)])
  return builder.node('Mul', [padded, builder.float(80)])
}

function oneToken(builder: GraphBuilder, vocabulary: WhisperVocabulary, token: string, logit: number): Value {
  const row = new Float32Array(vocabulary.size)
  row[vocabulary.id(token)] = logit
  const name = `only ${token} ${builder.node('Identity', [builder.float(logit)])}`
  return builder.weight(float32(name, [vocabulary.size], row))
}

/** Nothing but text comes by itself. */
function baseLogits(vocabulary: WhisperVocabulary): Float32Array {
  const logits = new Float32Array(vocabulary.size).fill(-40)
  return logits.fill(0, 0, vocabulary.text.length)
}

function readTable(vocabulary: WhisperVocabulary): Float32Array {
  const table = new Float32Array(vocabulary.size * WIDTH)
  const set = (id: number, column: number, value = 1) => {
    table[id * WIDTH + column] = value
  }
  for (let id = 0; id < vocabulary.text.length; id++) set(id, TOKEN.text)
  const first = vocabulary.size - TIMESTAMPS
  for (let frame = 0; frame < TIMESTAMPS; frame++) {
    set(first + frame, TOKEN.timestamp)
    set(first + frame, TOKEN.frame, frame)
  }
  set(vocabulary.id('<|startoftranscript|>'), TOKEN.start)
  set(vocabulary.id('<|translate|>'), TOKEN.translate)
  set(vocabulary.id('<|startofprev|>'), TOKEN.previous)
  return table
}

function writtenTable(plan: TonePlan, tokens: readonly string[]): Float32Array {
  const { vocabulary } = plan
  const table = new Float32Array(WIDTH * vocabulary.size)
  for (const [tone, token] of tokens.entries()) table[tone * vocabulary.size + vocabulary.id(token)] = 30
  // Hardly more likely than anything else: chance finds other words, the greedy one never does.
  table[plan.stutter * vocabulary.size + vocabulary.id('Ġa')] = 5.6
  table[plan.mumble * vocabulary.size + vocabulary.id('Ġm')] = 3
  return table
}
