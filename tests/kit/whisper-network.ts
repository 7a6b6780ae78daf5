import type { OnnxModel } from '#engines/onnx/graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import type { Weights } from './whisper-weights.ts'

/** The sizes of a Whisper network, called as `config.json` calls them. */
export interface WhisperSizes {
  readonly d_model: number
  readonly heads: number
  readonly encoder_layers: number
  readonly decoder_layers: number
  readonly ffn_dim: number
  readonly num_mel_bins: number
  readonly vocab_size: number
}

export const SOURCE_POSITIONS = 1500
export const TARGET_POSITIONS = 448
const OPSETS = { '': 17, 'com.microsoft': 1 }

/** The encoder of the published exports: `input_features` → `last_hidden_state`. */
export function encoderNetwork(sizes: WhisperSizes, weights: Weights): OnnxModel {
  const { d_model: width, num_mel_bins: bins } = sizes
  const builder = graphBuilder('encoder', OPSETS)
  const features = builder.input('input_features', 'float32', ['batch_size', bins, 2 * SOURCE_POSITIONS])
  const net = new Network(builder, sizes, weights)
  const first = net.gelu(net.convolution(features, bins, 1, 'conv1'))
  const second = net.gelu(net.convolution(first, width, 2, 'conv2'))
  let hidden = builder.node('Transpose', [second], { attributes: { perm: [0, 2, 1] } })
  const positions = net.matrix('positions', SOURCE_POSITIONS, width, 0.1)
  hidden = builder.node('Add', [hidden, positions])
  for (let layer = 0; layer < sizes.encoder_layers; layer++) {
    const name = `encoder.${layer}`
    const normed = net.norm(hidden, `${name}.norm1`)
    const key = net.split(net.linear(normed, width, width, `${name}.k`, false))
    const value = net.split(net.linear(normed, width, width, `${name}.v`))
    const { mixed } = net.attend(net.query(normed, `${name}.q`), key, value)
    hidden = builder.node('Add', [hidden, net.linear(mixed, width, width, `${name}.o`)])
    hidden = net.feedForward(hidden, name)
  }
  const output = net.norm(hidden, 'encoder.norm')
  builder.output('last_hidden_state', output, 'float32', ['batch_size', SOURCE_POSITIONS, width])
  return builder.model()
}

/**
 * The merged decoder of the published exports: one `If` over `use_cache_branch`, both branches over the same weights. With
 * a cache the encoder's keys and values come from the past, and `present.*.encoder.*` are empty.
 */
export function decoderNetwork(sizes: WhisperSizes, weights: Weights, crossAttentions: boolean): OnnxModel {
  const { d_model: width, heads } = sizes
  const builder = graphBuilder('decoder_merged', OPSETS)
  const size = width / heads
  const ids = builder.input('input_ids', 'int64', ['batch_size', 'decoder_sequence_length'])
  const encoded = builder.input('encoder_hidden_states', 'float32', ['batch_size', 'encoder_length', width])
  const layers = Array.from({ length: sizes.decoder_layers }, (_, layer) => layer)
  const past = layers.map((layer) =>
    PARTS.map((part) => {
      const length = `past_${part.split('.')[0]}_length`
      return builder.input(`past_key_values.${layer}.${part}`, 'float32', ['batch_size', heads, length, size])
    }),
  )
  const cached = builder.input('use_cache_branch', 'bool', [1])
  const net = new Network(builder, sizes, weights)
  net.prepare()
  const branch = (withCache: boolean) => (inside: GraphBuilder) =>
    decoderBranch(net.within(inside), { ids, encoded, past, withCache, crossAttentions, layers })
  const made = builder.if(cached, branch(true), branch(false))
  const [logits = '', ...rest] = made
  builder.output('logits', logits, 'float32', ['batch_size', 'decoder_sequence_length', sizes.vocab_size])
  for (const layer of layers)
    for (const [index, part] of PARTS.entries())
      builder.output(`present.${layer}.${part}`, rest[layer * 4 + index] ?? '', 'float32', [
        'batch_size',
        heads,
        `present_${part.split('.')[0]}_length`,
        size,
      ])
  if (crossAttentions)
    for (const layer of layers)
      builder.output(`cross_attentions.${layer}`, rest[layers.length * 4 + layer] ?? '', 'float32', [
        'batch_size',
        heads,
        'decoder_sequence_length',
        'encoder_length',
      ])
  return builder.model()
}

export const PARTS = ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'] as const

interface Branch {
  readonly ids: Value
  readonly encoded: Value
  readonly past: readonly (readonly Value[])[]
  readonly withCache: boolean
  readonly crossAttentions: boolean
  readonly layers: readonly number[]
}

function decoderBranch(net: Network, branch: Branch): Value[] {
  const { builder, sizes } = net
  const { d_model: width, heads } = sizes
  const axis = (value: Value, index: number) =>
    builder.node('Gather', [builder.node('Shape', [value]), builder.int(index)], { attributes: { axis: 0 } })
  const length = axis(branch.ids, 1)
  const before = branch.withCache ? axis(branch.past[0]?.[0] ?? '', 2) : builder.int(0)
  const after = builder.node('Add', [before, length])
  const positions = builder.node('Range', [before, after, builder.int(1)])
  const tokens = builder.node('Transpose', [net.embed(branch.ids)], { attributes: { perm: [1, 2, 0] } })
  let hidden = builder.node('Add', [tokens, builder.node('Gather', ['target_positions', positions])])
  const mask = branch.withCache ? null : causalMask(builder, positions)
  const presents: Value[] = []
  const attentions: Value[] = []
  for (const layer of branch.layers) {
    const name = `decoder.${layer}`
    const [pastKey = '', pastValue = '', encoderKey = '', encoderValue = ''] = branch.past[layer] ?? []
    const normed = net.norm(hidden, `${name}.norm1`)
    const grown = (past: Value, now: Value) =>
      branch.withCache ? builder.node('Concat', [past, now], { attributes: { axis: 2 } }) : now
    const key = grown(pastKey, net.split(net.linear(normed, width, width, `${name}.k`, false)))
    const value = grown(pastValue, net.split(net.linear(normed, width, width, `${name}.v`)))
    const self = net.attend(net.query(normed, `${name}.q`), key, value, mask)
    hidden = builder.node('Add', [hidden, net.linear(self.mixed, width, width, `${name}.o`)])
    const crossNormed = net.norm(hidden, `${name}.norm2`)
    const projected = (part: string, isBiased: boolean) =>
      net.split(net.linear(branch.encoded, width, width, `${name}.cross.${part}`, isBiased))
    const crossKey = branch.withCache ? encoderKey : projected('k', false)
    const crossValue = branch.withCache ? encoderValue : projected('v', true)
    const cross = net.attend(net.query(crossNormed, `${name}.cross.q`), crossKey, crossValue)
    hidden = builder.node('Add', [hidden, net.linear(cross.mixed, width, width, `${name}.cross.o`)])
    hidden = net.feedForward(hidden, name)
    const none = () => builder.node('ConstantOfShape', [builder.ints(0, heads, 1, width / heads)])
    presents.push(key, value, branch.withCache ? none() : crossKey, branch.withCache ? none() : crossValue)
    attentions.push(cross.weights)
  }
  const last = net.norm(hidden, 'decoder.norm')
  const logits = net.project(last)
  return [logits, ...presents, ...(branch.crossAttentions ? attentions : [])]
}

function causalMask(builder: GraphBuilder, positions: Value): Value {
  const row = builder.node('Unsqueeze', [positions, builder.ints(0)])
  const column = builder.node('Unsqueeze', [positions, builder.ints(1)])
  const future = builder.node('Less', [column, row])
  return builder.node('Where', [future, builder.float(-1e9), builder.float(0)])
}

/** The layers that both halves are made of. Weights are made once, in the outermost graph. */
class Network {
  readonly builder: GraphBuilder
  readonly sizes: WhisperSizes
  readonly #weights: Weights
  readonly #made: Set<string>

  constructor(builder: GraphBuilder, sizes: WhisperSizes, weights: Weights, made = new Set<string>()) {
    this.builder = builder
    this.sizes = sizes
    this.#weights = weights
    this.#made = made
  }

  within(builder: GraphBuilder): Network {
    return new Network(builder, this.sizes, this.#weights, this.#made)
  }

  /** The decoder's tables, which its branches share. */
  prepare(): void {
    const { d_model: width, vocab_size: tokens } = this.sizes
    this.#weights.projection(this.builder, 'embed', width, tokens)
    this.matrix('target_positions', TARGET_POSITIONS, width, 0.5)
  }

  matrix(name: string, rows: number, columns: number, spread: number): Value {
    if (this.#made.has(name)) return name
    this.#made.add(name)
    const data = this.#weights.numbers(rows * columns, spread)
    return this.builder.weight(float32(name, [rows, columns], data))
  }

  vector(name: string, size: number, spread: number, around = 0): Value {
    if (this.#made.has(name)) return name
    this.#made.add(name)
    const data = this.#weights.numbers(size, spread).map((value) => value + around)
    return this.builder.weight(float32(name, [size], data))
  }

  linear(value: Value, from: number, to: number, name: string, isBiased = true): Value {
    const product = this.#weights.multiply(this.builder, value, name, from, to, this.#made)
    if (!isBiased) return product
    return this.builder.node('Add', [product, this.vector(`${name}.bias`, to, 0.02)])
  }

  project(value: Value): Value {
    const { d_model: width, vocab_size: tokens } = this.sizes
    return this.#weights.project(this.builder, value, 'embed', width, tokens)
  }

  embed(ids: Value): Value {
    return this.#weights.embed(this.builder, ids, 'embed')
  }

  convolution(value: Value, from: number, stride: number, name: string): Value {
    const width = this.sizes.d_model
    const spread = Math.sqrt(3 / (from * 3))
    const data = this.#weights.numbers(width * from * 3, spread)
    const kernel = this.builder.weight(float32(`${name}.weight`, [width, from, 3], data))
    const bias = this.vector(`${name}.bias`, width, 0.02)
    return this.builder.node('Conv', [value, kernel, bias], {
      attributes: { kernel_shape: [3], pads: [1, 1], strides: [stride] },
    })
  }

  gelu(value: Value): Value {
    const { builder } = this
    const scaled = builder.node('Div', [value, builder.float(Math.SQRT2)])
    const error = builder.node('Add', [builder.node('Erf', [scaled]), builder.float(1)])
    return builder.node('Mul', [builder.node('Mul', [value, error]), builder.float(0.5)])
  }

  norm(value: Value, name: string): Value {
    const width = this.sizes.d_model
    const scale = this.vector(`${name}.weight`, width, 0.1, 1)
    const bias = this.vector(`${name}.bias`, width, 0.05)
    return this.builder.node('LayerNormalization', [value, scale, bias], { attributes: { axis: -1 } })
  }

  /** [batch, length, width] → [batch, heads, length, size]. */
  split(value: Value): Value {
    const { builder, sizes } = this
    const shape = builder.ints(0, 0, sizes.heads, sizes.d_model / sizes.heads)
    const parts = builder.node('Reshape', [value, shape])
    return builder.node('Transpose', [parts], { attributes: { perm: [0, 2, 1, 3] } })
  }

  query(value: Value, name: string): Value {
    const { builder, sizes } = this
    const full = this.linear(value, sizes.d_model, sizes.d_model, name)
    const scale = builder.float((sizes.d_model / sizes.heads) ** -0.5)
    return this.split(builder.node('Mul', [full, scale]))
  }

  attend(
    query: Value,
    key: Value,
    value: Value,
    mask: Value | null = null,
  ): { mixed: Value; weights: Value } {
    const { builder, sizes } = this
    const turned = builder.node('Transpose', [key], { attributes: { perm: [0, 1, 3, 2] } })
    const scores = builder.node('MatMul', [query, turned])
    const masked = mask === null ? scores : builder.node('Add', [scores, mask])
    const weights = builder.node('Softmax', [masked], { attributes: { axis: -1 } })
    const heads = builder.node('MatMul', [weights, value])
    const side = builder.node('Transpose', [heads], { attributes: { perm: [0, 2, 1, 3] } })
    return { mixed: builder.node('Reshape', [side, builder.ints(0, 0, sizes.d_model)]), weights }
  }

  feedForward(hidden: Value, name: string): Value {
    const { builder, sizes } = this
    const normed = this.norm(hidden, `${name}.norm3`)
    const wide = this.gelu(this.linear(normed, sizes.d_model, sizes.ffn_dim, `${name}.up`))
    const narrow = this.linear(wide, sizes.ffn_dim, sizes.d_model, `${name}.down`)
    return builder.node('Add', [hidden, narrow])
  }
}
