import type { InferenceSession } from 'onnxruntime-node'

/** What greedy search must know of a `decoder_joint` model. */
export interface StepModel {
  /** Blank and all. */
  readonly tokens: number
  readonly blank: number
  readonly mostTokens: number
  readonly hasDurations: boolean
  readonly layers: number
  readonly hidden: number
  /** Of `targets` and `target_length`. */
  readonly wholeType: 'int32' | 'int64'
}

/** An input or output: of a model that was read, or of a session. */
export interface Port {
  readonly name: string
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

export interface Ports {
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
}

export interface SearchOptions {
  /** Blank and all. */
  readonly tokens: number
  readonly mostTokens: number
  readonly hasDurations: boolean
}

export const STEP_INPUTS = [
  'encoder_outputs',
  'targets',
  'target_length',
  'input_states_1',
  'input_states_2',
] as const
export const STEP_OUTPUTS = ['outputs', 'output_states_1', 'output_states_2'] as const

/** From a model's own inputs and outputs, or what is wrong with them; `channels` are the encoder's, where they are known. */
export function stepModelOf(
  { inputs, outputs }: Ports,
  search: SearchOptions,
  channels: number | null = null,
): { stepModel: StepModel } | { problem: string } {
  const names = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name).join(', ')
  for (const name of STEP_INPUTS)
    if (!inputs.some((input) => input.name === name))
      return { problem: `expected the input ${name}, it has ${names(inputs)}` }
  for (const name of STEP_OUTPUTS)
    if (!outputs.some((output) => output.name === name))
      return { problem: `expected the output ${name}, it has ${names(outputs)}` }
  const state = inputs.find(({ name }) => name === 'input_states_1')
  const [layers, , hidden] = state?.shape ?? []
  if (typeof layers !== 'number' || typeof hidden !== 'number' || state?.type !== 'float32')
    return {
      problem: `input_states_1: expected float32 [layers, batch, hidden] with known sizes, it is ${state?.type} [${state?.shape?.join(', ')}]`,
    }
  const heard = inputs.find(({ name }) => name === 'encoder_outputs')?.shape?.[1]
  if (channels !== null && typeof heard === 'number' && heard !== channels)
    return { problem: `encoder_outputs: expected ${channels} channels, as the encoder has, it has ${heard}` }
  const wholeType = inputs.find(({ name }) => name === 'targets')?.type
  if (wholeType !== 'int32' && wholeType !== 'int64')
    return { problem: `targets: expected int32 or int64, it is ${wholeType}` }
  const wide = outputs.find(({ name }) => name === 'outputs')?.shape?.at(-1)
  const problem = typeof wide === 'number' ? widthProblem(wide, search.tokens, search.hasDurations) : null
  if (problem !== null) return { problem }
  return {
    stepModel: {
      tokens: search.tokens,
      blank: search.tokens - 1,
      mostTokens: search.mostTokens,
      hasDurations: search.hasDurations,
      layers,
      hidden,
      wholeType,
    },
  }
}

/** What is wrong with how many numbers a step says; null where nothing is. */
export function widthProblem(wide: number, tokens: number, hasDurations: boolean): string | null {
  if (hasDurations ? wide > tokens + 1 : wide === tokens) return null
  const expected = hasDurations ? `${tokens} tokens and at least two durations` : `${tokens} tokens`
  return `outputs: expected ${expected} (vocab.txt, config.json: model_type), it has ${wide}`
}

export function portsOf(session: InferenceSession): Ports {
  return { inputs: session.inputMetadata.map(port), outputs: session.outputMetadata.map(port) }
}

function port(metadata: InferenceSession.ValueMetadata): Port {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, shape: metadata.shape }
    : { name: metadata.name }
}
