import type { Tensor } from 'onnxruntime-node'
import { headsInput, LOOP_OUTPUTS } from './loop-graph.ts'
import { asFloats, numbersOf } from './values.ts'

/** Layer and head. */
export type Head = readonly [number, number]

/** The cross-attention of some heads at the positions that a run read. */
export interface StepAttention {
  /** Over the encoder's positions. `head`: its place among those that were asked for. */
  weights(row: number, head: number, position: number): Float32Array
}

type Outputs = Readonly<Record<string, Tensor>>

/** Of a plain decoder, which gives whole layers. */
export function attentionOfLayers(outputs: Outputs, heads: readonly Head[]): StepAttention {
  const layers = new Map(layersOf(heads).map((layer) => [layer, block(outputs, `cross_attentions.${layer}`)]))
  return {
    weights(row, head, position) {
      const [layer, place] = heads[head] ?? [-1, 0]
      return weightsAt(layers.get(layer), row, place, position)
    },
  }
}

/** Of a decoder that writes by itself: it gives the heads alone, layer by layer. */
export function attentionOfHeads(outputs: Outputs, heads: readonly Head[]): StepAttention {
  const given = heads.length === 0 ? undefined : block(outputs, LOOP_OUTPUTS.attention)
  const places = placesOf(heads)
  return {
    weights: (row, head, position) => weightsAt(given, row, places[head] ?? 0, position),
  }
}

/** What asks for these heads: inputs of a decoder that gives the attention of so many layers. */
export function askedHeads(layers: readonly number[], heads: readonly Head[]): Map<string, number[]> {
  const ofLayer = (layer: number) => heads.filter(([one]) => one === layer).map(([, head]) => head)
  return new Map(layers.map((layer) => [headsInput(layer), ofLayer(layer)]))
}

export function layersOf(heads: readonly Head[]): number[] {
  return [...new Set(heads.map(([layer]) => layer))]
}

/** Where each head stands among those of all layers in their order. */
function placesOf(heads: readonly Head[]): number[] {
  const sorted = heads.map(([layer], index) => ({ layer, index })).sort((a, b) => a.layer - b.layer)
  const places = heads.map(() => 0)
  for (const [place, { index }] of sorted.entries()) places[index] = place
  return places
}

interface Block {
  readonly data: Float32Array
  /** [row][head][position][encoder position]. */
  readonly dims: readonly number[]
}

function block(outputs: Outputs, name: string): Block {
  const output = outputs[name]
  if (output === undefined) throw new TypeError(`the decoder gave no ${name}`)
  return { data: asFloats(numbersOf(output, name)), dims: output.dims }
}

function weightsAt(given: Block | undefined, row: number, head: number, position: number): Float32Array {
  if (given === undefined) throw new TypeError('no cross-attention was asked for')
  const [, heads = 0, positions = 0, size = 0] = given.dims
  const from = ((row * heads + head) * positions + position) * size
  return given.data.subarray(from, from + size)
}
