import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ModelFiles } from '../engine.ts'
import type { OnnxModel } from '../onnx/graph.ts'
import {
  keepLoop,
  loopPath,
  type ReadModel,
  readStepModel,
  writeLoop,
  writeLoopCopy,
} from '../onnx/loop-file.ts'
import { openSession } from '../onnx/runtime.ts'
import type { Encoded } from './emission.ts'
import { invalidModel, messageOf } from './failures.ts'
import { GraphLoop } from './graph-loop.ts'
import type { GreedySearch } from './greedy-search.ts'
import { LOOP_VERSION, loopGraph } from './loop-graph.ts'
import { needFile, openNetwork } from './sessions.ts'
import { StepLoop } from './step-loop.ts'
import { portsOf, type SearchOptions, stepModelOf } from './step-model.ts'

export interface SearchSource {
  readonly files: ModelFiles
  /** The `decoder_joint` model: its name in the folder, and where it is. */
  readonly name: string
  readonly path: string
  /** Of the encoder's outputs. */
  readonly channels: number
  readonly options: SearchOptions
}

/**
 * The search of a transducer: the graph of the loop. It is built and held against the step loop when a model is loaded for
 * the first time; the step loop stays where the graph cannot be built or opened, or finds other tokens.
 */
export async function openSearch(source: SearchSource): Promise<GreedySearch> {
  await needFile(source.files, source.name)
  const place = await loopPath(source.path, [LOOP_VERSION, source.options])
  const known = await openLoop(source, place)
  if (known !== null) return known
  const made = await readStepModel(source.path).catch((error: unknown) => {
    throw invalidModel(source.files.runtimeModelId, source.name, `cannot be read: ${messageOf(error)}`, error)
  })
  const steps = await openSteps(source, made)
  const loop = (await builtBeside(source, made, place, steps)) ?? (await builtCopy(source, made, steps))
  if (loop === null) return steps
  await steps.release()
  return loop
}

async function openSteps(source: SearchSource, made: ReadModel): Promise<StepLoop> {
  const { files, name, options, channels } = source
  const checked = stepModelOf(made.model.graph, options, channels)
  if ('problem' in checked) throw invalidModel(files.runtimeModelId, name, checked.problem)
  return new StepLoop(await openNetwork(files, name), checked.stepModel)
}

/** Null where there is none, or the runtime refuses it. */
async function openLoop(source: SearchSource, path: string): Promise<GraphLoop | null> {
  const session = await openSession(path, source.files).catch(() => null)
  if (session === null) return null
  const [layers, , hidden] = portsOf(session).inputs.find(({ name }) => name === 'states_1')?.shape ?? []
  if (typeof layers === 'number' && typeof hidden === 'number')
    return new GraphLoop(session, { layers, hidden, blank: source.options.tokens - 1 })
  await session.release()
  return null
}

async function builtBeside(
  source: SearchSource,
  made: ReadModel,
  place: string,
  steps: StepLoop,
): Promise<GraphLoop | null> {
  // The folder may refuse to be written to.
  const graph = graphOf(source, made)
  const path = graph === null ? null : await writeLoop(made, place, graph).catch(() => null)
  if (path === null) return null
  const loop = await openTrusted(source, made, path, steps)
  if (loop === null) await rm(path, { force: true })
  // It is open: where it cannot stay, the next load builds it again.
  else await keepLoop(made.path, place).catch(() => rm(path, { force: true }))
  return loop
}

/** The runtime follows no reference out of a folder, which a link to a weights file is: then the weights are copied. */
async function builtCopy(source: SearchSource, made: ReadModel, steps: StepLoop): Promise<GraphLoop | null> {
  const graph = graphOf(source, made)
  if (graph === null) return null
  const folder = await mkdtemp(join(tmpdir(), 'dalston-loop-')).catch(() => null)
  if (folder === null) return null
  try {
    const path = await writeLoopCopy(folder, graph).catch(() => null)
    return path === null ? null : await openTrusted(source, made, path, steps)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Null where the model cannot be a part of another. */
function graphOf(source: SearchSource, made: ReadModel): OnnxModel | null {
  try {
    return loopGraph(made.model, source.options)
  } catch {
    // Whatever stands in the way, the step loop does without.
    return null
  }
}

async function openTrusted(
  source: SearchSource,
  made: ReadModel,
  path: string,
  steps: StepLoop,
): Promise<GraphLoop | null> {
  const loop = await openLoop(source, path)
  if (loop === null || (await agree(loop, steps, made, source.channels))) return loop
  await loop.release()
  return null
}

/** Operators that measure their input as a whole: what they make of one item depends on its neighbours in the batch. */
const MEASURING = /^DynamicQuantize/

/**
 * Whether both find the same tokens in noise: an export may have a batch of one baked in. A network with activations
 * quantised on the way must agree item by item, and run for two.
 */
async function agree(
  loop: GraphLoop,
  steps: StepLoop,
  { model }: ReadModel,
  channels: number,
): Promise<boolean> {
  const isMeasuring = model.graph.nodes.some(({ operator }) => MEASURING.test(operator))
  try {
    const [one, two] = [noise(channels, [8]), noise(channels, [8, 5])]
    const same = async (encoded: Encoded) => (await places(loop, encoded)) === (await places(steps, encoded))
    return isMeasuring ? (await same(one)) && (await places(loop, two)) !== '' : await same(two)
  } catch {
    // A graph that does not run for two items.
    return false
  }
}

async function places(search: GreedySearch, encoded: Encoded): Promise<string> {
  const found = await search.search(encoded, async () => {})
  return JSON.stringify(found.map((item) => item.map(({ token, frame, frames }) => [token, frame, frames])))
}

function noise(channels: number, lengths: readonly number[]): Encoded {
  const frames = Math.max(...lengths)
  const data = Float32Array.from({ length: lengths.length * channels * frames }, (_, at) => Math.sin(at * at))
  return { data, items: lengths.length, channels, frames, lengths }
}
