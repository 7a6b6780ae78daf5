import type { InferenceSession } from 'onnxruntime-node'
import { onnxRuntime } from '../onnx/runtime.ts'
import { DecoderRun } from './decoder-run.ts'
import { type Hidden, sizesOf, typeOf } from './encoder.ts'
import { SpareBlock } from './key-values.ts'
import { headsInput, LOOP_INPUTS } from './loop-graph.ts'
import { type LoopPorts, noRules } from './loop-inputs.ts'
import type { NetworkConfig } from './model-config.ts'
import type { Head } from './step-attention.ts'
import type { NumberType } from './values.ts'

const PAST_PARTS = ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'] as const

/** 128 MB: a prompt of 224 tokens has 47 MB of logits a row. */
const FIRST_LOGITS = 2 ** 25

/** The names and sizes of a merged decoder's inputs and outputs. */
export interface DecoderShape {
  readonly layers: number
  readonly heads: number
  readonly headSize: number
  readonly vocabularySize: number
  readonly pastType: NumberType
  readonly hiddenType: NumberType
  /** What it hears: positions of 30 s. */
  readonly encoderPositions: number
  /** Layers whose cross-attention it gives out; none in most exports. */
  readonly attentionLayers: readonly number[]
  /** What it needs to write by itself; null for the plain network. */
  readonly loop: LoopPorts | null
  /** Inputs beside the usual ones, that some exports have. */
  readonly keepsLogits: boolean
}

/** The merged decoder with a cache: the first run reads a prefix, each further one a token a row. */
export class Decoder {
  readonly shape: DecoderShape
  readonly file: string
  readonly #session: InferenceSession
  readonly #spare = new SpareBlock()

  /** `file`: what the session was read from, for errors. */
  constructor(
    session: InferenceSession,
    config: NetworkConfig,
    tokens: { readonly firstTimestamp: number },
    file: string,
  ) {
    this.#session = session
    this.file = file
    const writesAlone = session.inputNames.includes(LOOP_INPUTS.steps)
    const attentionLayers = layersOf(config).filter(
      (layer) =>
        session.outputNames.includes(`cross_attentions.${layer}`) ||
        session.inputNames.includes(headsInput(layer)),
    )
    this.shape = {
      layers: config.decoder_layers,
      heads: config.decoder_attention_heads,
      headSize: config.d_model / config.decoder_attention_heads,
      vocabularySize: config.vocab_size,
      pastType: typeOf(session.inputMetadata, 'past_key_values.0.decoder.key'),
      hiddenType: typeOf(session.inputMetadata, 'encoder_hidden_states'),
      encoderPositions: config.max_source_positions,
      attentionLayers,
      loop: writesAlone
        ? {
            vocabularySize: config.vocab_size,
            firstTimestamp: tokens.firstTimestamp,
            attentionLayers,
            noRules: noRules(config.vocab_size),
          }
        : null,
      keepsLogits: session.inputNames.includes('num_logits_to_keep'),
    }
  }

  /** What is wrong with a session's inputs and outputs, or null. */
  static interfaceProblem(session: InferenceSession, config: NetworkConfig): string | null {
    const past = layersOf(config).flatMap((layer) => PAST_PARTS.map((part) => `${layer}.${part}`))
    const inputs = ['input_ids', 'encoder_hidden_states', 'use_cache_branch'].concat(
      past.map((name) => `past_key_values.${name}`),
    )
    const outputs = ['logits', ...past.map((name) => `present.${name}`)]
    const missing =
      inputs.find((name) => !session.inputNames.includes(name)) ??
      outputs.find((name) => !session.outputNames.includes(name))
    if (missing !== undefined)
      return `expected a merged decoder with ${config.decoder_layers} layers (config.json: decoder_layers), it has no ${missing}`
    const more = `past_key_values.${config.decoder_layers}.decoder.key`
    if (session.inputNames.includes(more))
      return `expected ${config.decoder_layers} layers (config.json: decoder_layers), it has ${more}`
    const heads = sizesOf(session.inputMetadata, 'past_key_values.0.decoder.key')[1]
    if (typeof heads === 'number' && heads !== config.decoder_attention_heads)
      return `has ${heads} attention heads, config.json says decoder_attention_heads ${config.decoder_attention_heads}`
    const vocabulary = sizesOf(session.outputMetadata, 'logits')[2]
    if (typeof vocabulary === 'number' && vocabulary !== config.vocab_size)
      return `gives ${vocabulary} logits, config.json says vocab_size ${config.vocab_size}`
    return null
  }

  /** Whether it chooses tokens itself, many in one run. */
  get writesAlone(): boolean {
    return this.shape.loop !== null
  }

  /**
   * Decodes these hidden states from the start. `heads`: whose cross-attention each step brings; `firstLogits`: how many
   * logits the first run may give at once, rows beyond that are read one after another.
   */
  async begin(hidden: Hidden, heads: readonly Head[], firstLogits = FIRST_LOGITS): Promise<DecoderRun> {
    const onnx = await onnxRuntime()
    const { file, shape } = this
    const network = { onnx, file, session: this.#session, shape, spare: this.#spare }
    return new DecoderRun(network, hidden, heads, firstLogits)
  }

  release(): Promise<void> {
    this.#spare.clear()
    return this.#session.release()
  }
}

function layersOf(config: NetworkConfig): number[] {
  return Array.from({ length: config.decoder_layers }, (_, layer) => layer)
}
