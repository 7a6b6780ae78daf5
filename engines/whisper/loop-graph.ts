import type { ElementType, OnnxModel } from '../onnx/graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from '../onnx/graph-builder.ts'
import { type ChoiceTokens, chooseToken, ofType, textOnly } from './loop-choice.ts'
import { type Branch, type MergedDecoder, splitMerged } from './merged-decoder.ts'

/** Raise it with every change of the graph: graphs of other versions are built anew. */
export const LOOP_VERSION = 3

/** Inputs beside those of the decoder. */
export const LOOP_INPUTS = {
  steps: 'loop_steps',
  suppressed: 'loop_suppressed',
  isMonotonic: 'loop_is_monotonic',
  before: 'loop_before_is_timestamp',
  latest: 'loop_latest_timestamp',
  limit: 'loop_timestamp_limit',
} as const
export const LOOP_OUTPUTS = {
  tokens: 'loop_tokens',
  logProbs: 'loop_log_probs',
  attention: 'loop_attention',
} as const

/** Which heads of a layer to give the attention of. */
export function headsInput(layer: number): string {
  return `loop_heads.${layer}`
}

export interface LoopSizes extends ChoiceTokens {
  readonly layers: number
}

/**
 * A merged decoder that writes by itself: what it does without a cache is as before; with one, the network for one token is
 * the body of a `Loop`, which chooses the likeliest token that may come and reads it again, so many steps or until a row ends:
 * a row that goes on behind its end would change what networks of 8 bits make of the others, since they measure the batch as a
 * whole. Keys and values stay inside in the meantime.
 *
 * In and out as the merged decoder (README.md), and in: `loop_steps`, `loop_suppressed` [token], `loop_is_monotonic`, of each
 * row [batch, 1] `loop_before_is_timestamp`, `loop_latest_timestamp`, `loop_timestamp_limit`, and `loop_heads.N` where layer N
 * gives its cross-attention. Out: `loop_tokens` and `loop_log_probs` [step, batch, 1], `loop_attention` [batch, head, position,
 * encoder position] of the heads in the order of their layers; `logits` are those behind the last step. Null where the model
 * is no merged decoder as the public exports have it.
 */
export function loopGraph(model: OnnxModel, sizes: LoopSizes): OnnxModel | null {
  const merged = splitMerged(model)
  if (merged === null) return null
  const { inputs, outputs, initializers } = model.graph
  const graph = graphBuilder('whisper_loop', model.opsets)
  for (const { name, type = 'float32', shape = [] } of inputs) graph.input(name, type, shape)
  const row = ['batch_size', 1]
  graph.input(LOOP_INPUTS.steps, 'int64', [])
  graph.input(LOOP_INPUTS.suppressed, 'float32', [sizes.vocabularySize])
  graph.input(LOOP_INPUTS.isMonotonic, 'bool', [])
  graph.input(LOOP_INPUTS.before, 'bool', row)
  graph.input(LOOP_INPUTS.latest, 'int64', row)
  graph.input(LOOP_INPUTS.limit, 'int64', row)
  const typeOf = (name: string): ElementType => outputs.find((one) => one.name === name)?.type ?? 'float32'
  const attentions = layersOf(sizes).filter((layer) => outputs.some(({ name }) => name === attention(layer)))
  for (const layer of attentions) graph.input(headsInput(layer), 'int64', [`heads_${layer}`])
  for (const tensor of initializers) graph.weight(tensor)
  const types = { logits: typeOf('logits'), attention: typeOf(attention(attentions[0] ?? 0)) }
  const made: Made = { graph, merged, sizes, attentions, ...types }
  const loop = writtenInLoop(made)
  const values = behind(made, loop)
  for (const { name, type = 'float32', shape = [] } of outputs)
    if (values[name] !== undefined) graph.output(name, values[name], type, shape)
  graph.output(LOOP_OUTPUTS.tokens, loop.tokens, 'int64', ['step', ...row])
  graph.output(LOOP_OUTPUTS.logProbs, loop.logProbs, 'float32', ['step', ...row])
  if (attentions[0] !== undefined)
    graph.output(
      LOOP_OUTPUTS.attention,
      values[LOOP_OUTPUTS.attention] ?? '',
      typeOf(attention(attentions[0])),
      ['batch_size', 'heads', 'positions', 'encoder_positions'],
    )
  return graph.model()
}

interface Made {
  readonly graph: GraphBuilder
  readonly merged: MergedDecoder
  readonly sizes: LoopSizes
  /** Layers whose cross-attention the decoder gives. */
  readonly attentions: readonly number[]
  /** Of the outputs. */
  readonly logits: ElementType
  readonly attention: ElementType
}

interface Written {
  readonly tokens: Value
  readonly logProbs: Value
  /** [step][batch][head][1][encoder position]; null where there is none. */
  readonly attention: Value | null
  readonly logits: Value
  /** By the name behind `present.`. */
  readonly past: Readonly<Record<string, Value>>
}

function writtenInLoop({ graph, merged, sizes, attentions, ...types }: Made): Written {
  const own = pastNames(sizes, 'decoder')
  const noLogits = graph.node('ConstantOfShape', [graph.ints(0, 1, sizes.vocabularySize)])
  const onlyText = textOnly(graph, sizes, LOOP_INPUTS.suppressed)
  const loop = graph.loop(
    {
      trips: LOOP_INPUTS.steps,
      condition: graph.node('Squeeze', ['use_cache_branch']),
      carried: [
        'input_ids',
        LOOP_INPUTS.before,
        LOOP_INPUTS.latest,
        ofType(graph, noLogits, types.logits),
        ...own.map((name) => `past_key_values.${name}`),
      ],
    },
    (body, round) => {
      const [last = '', before = '', latest = '', , ...past] = round.carried
      const said = inlined(body, merged, merged.next, 'step_', {
        input_ids: last,
        ...Object.fromEntries(own.map((name, index) => [`past_key_values.${name}`, past[index] ?? ''])),
      })
      const flat = body.node('Reshape', [said('logits'), body.ints(0, -1)])
      const choice = chooseToken(body, sizes, {
        logits: ofType(body, flat, 'float32'),
        last,
        before,
        latest,
        limit: LOOP_INPUTS.limit,
        suppressed: LOOP_INPUTS.suppressed,
        textOnly: onlyText,
        isMonotonic: LOOP_INPUTS.isMonotonic,
      })
      const isEnd = body.node('Equal', [choice.token, body.int(sizes.endOfText)])
      const row = ['batch_size', 1]
      const scanned = [
        body.declare(body.node('Identity', [choice.token]), 'int64', row),
        body.declare(choice.logProb, 'float32', row),
      ]
      if (attentions.length > 0) {
        const shape = ['batch_size', 'heads', 1, 'encoder_positions']
        scanned.push(body.declare(chosenHeads(body, attentions, said), types.attention, shape))
      }
      return {
        condition: body.node('Not', [anyTrue(body, isEnd)]),
        carried: [
          choice.token,
          choice.before,
          choice.latest,
          said('logits'),
          ...own.map((name) => said(`present.${name}`)),
        ],
        scanned,
      }
    },
  )
  const [tokens = '', logProbs = '', attention = null] = loop.scanned
  const past = Object.fromEntries(own.map((name, index) => [name, loop.carried[index + 4] ?? '']))
  return { tokens, logProbs, attention, logits: loop.carried[3] ?? '', past }
}

/** The decoder's outputs: behind a prefix what the network says, else what the loop left. */
function behind({ graph, merged, sizes, attentions }: Made, loop: Written): Readonly<Record<string, Value>> {
  const presents = [...pastNames(sizes, 'decoder'), ...pastNames(sizes, 'encoder')]
  const names = ['logits', ...presents.map((name) => `present.${name}`)]
  if (attentions.length > 0) names.push(LOOP_OUTPUTS.attention)
  const left = (branch: GraphBuilder, name: string): Value => {
    if (name === LOOP_OUTPUTS.attention) return byRow(branch, loop.attention ?? '')
    if (name === 'logits') return branch.node('Identity', [loop.logits])
    const present = name.slice('present.'.length)
    const own = loop.past[present]
    if (own !== undefined) return branch.node('Identity', [own])
    // The encoder's keys and values are the same ever after: nothing of them, as the exports have it.
    const nothing = [branch.ints(0), branch.ints(0), branch.ints(0)]
    return branch.node('Slice', [`past_key_values.${present}`, ...nothing])
  }
  const chosen = graph.if(
    'use_cache_branch',
    (branch) => names.map((name) => left(branch, name)),
    (branch) => {
      const said = inlined(branch, merged, merged.first, 'first_', {})
      return names.map((name) =>
        name === LOOP_OUTPUTS.attention ? chosenHeads(branch, attentions, said) : said(name),
      )
    },
  )
  return Object.fromEntries(names.map((name, index) => [name, chosen[index] ?? '']))
}

function inlined(
  graph: GraphBuilder,
  { around }: MergedDecoder,
  branch: Branch,
  prefix: string,
  inputs: Readonly<Record<string, Value>>,
): (output: string) => Value {
  const outside = Object.fromEntries(around.map((name) => [name, name]))
  const values = graph.inline(branch.model, { prefix, inputs: { ...outside, ...inputs } })
  return (output) => values[branch.outputOf(output)] ?? ''
}

/** [batch, head, position, encoder position] of the heads that are asked for. */
function chosenHeads(graph: GraphBuilder, layers: readonly number[], said: (output: string) => Value): Value {
  const chosen = layers.map((layer) =>
    graph.node('Gather', [said(attention(layer)), headsInput(layer)], { attributes: { axis: 1 } }),
  )
  return graph.node('Concat', chosen, { attributes: { axis: 1 } })
}

/** [step][batch][head][1][encoder position] → [batch][head][step][encoder position]. */
function byRow(graph: GraphBuilder, attention: Value): Value {
  const steps = graph.node('Squeeze', [attention, graph.ints(3)])
  return graph.node('Transpose', [steps], { attributes: { perm: [1, 2, 0, 3] } })
}

function anyTrue(graph: GraphBuilder, values: Value): Value {
  const flat = graph.node('Reshape', [ofType(graph, values, 'int32'), graph.ints(-1)])
  return ofType(graph, graph.reduce('ReduceMax', flat, [0], false), 'bool')
}

function attention(layer: number): string {
  return `cross_attentions.${layer}`
}

function pastNames(sizes: LoopSizes, side: 'decoder' | 'encoder'): string[] {
  return layersOf(sizes).flatMap((layer) => ['key', 'value'].map((part) => `${layer}.${side}.${part}`))
}

function layersOf({ layers }: LoopSizes): number[] {
  return Array.from({ length: layers }, (_, layer) => layer)
}
