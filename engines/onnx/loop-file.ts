import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { OnnxModel, OnnxTensor } from './graph.ts'
import { decodeModel } from './read-model.ts'
import { writeModelFile } from './write-model.ts'

/** The loop's file beside the model's is called so, with a digest of what it was made from. */
const PREFIX = '.loop-'
/** It has this ending until it was held against the model's own steps; two processes may load one model. */
const UNPROVEN_PREFIX = '.unproven-'
const UNPROVEN = `${UNPROVEN_PREFIX}${process.pid}`
/** Weights below this are copied: a reference would take as much. */
const REFERENCE_FROM_BYTES = 1024

/** A model that does one step, and the file it was read from, whose bytes the weights are views of. */
export interface ReadModel {
  readonly path: string
  readonly bytes: Uint8Array
  readonly model: OnnxModel
}

export async function readStepModel(path: string): Promise<ReadModel> {
  const bytes = await readFile(path)
  return { path, bytes, model: decodeModel(bytes) }
}

/** Where the loop of a model lies. The name changes with the model's file and the key: how the graph is built, with what. */
export async function loopPath(path: string, key: readonly unknown[]): Promise<string> {
  const { size, mtimeMs } = await stat(path)
  const text = JSON.stringify([basename(path), size, mtimeMs, ...key])
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16)
  return join(dirname(path), `${PREFIX}${basename(path, '.onnx')}-${digest}.onnx`)
}

/**
 * Writes a loop that was made from a model beside it, without weights: it points to where they lie in the model's own files,
 * so a model is on disk once. The file is not yet at its place: `keepLoop` puts it there.
 */
export async function writeLoop(made: ReadModel, place: string, loop: OnnxModel): Promise<string> {
  const path = `${place}${UNPROVEN}`
  await writeModelFile(path, pointing(loop, made))
  return path
}

/** A loop with all weights in it, in a folder that need not be the model's. */
export async function writeLoopCopy(folder: string, loop: OnnxModel): Promise<string> {
  const path = join(folder, 'loop.onnx')
  await writeModelFile(path, loop)
  return path
}

/** Puts a written loop at its place; those of other keys or an older model go, and what a process that was killed left. */
export async function keepLoop(path: string, place: string): Promise<void> {
  await rename(`${place}${UNPROVEN}`, place)
  const ours = `${PREFIX}${basename(path, '.onnx')}-`
  const others = (name: string) =>
    name.startsWith(ours) && name !== basename(place) && (name.endsWith('.onnx') || isAbandoned(name))
  for (const name of (await readdir(dirname(place))).filter(others))
    await rm(join(dirname(place), name), { force: true })
}

function isAbandoned(name: string): boolean {
  const pid = Number(name.split(UNPROVEN_PREFIX)[1])
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    // EPERM: somebody else's process runs under this number.
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/** ONNX lets weights lie anywhere in a file: here they are a part of another model's. */
function pointing(loop: OnnxModel, made: ReadModel): OnnxModel {
  const at = (tensor: OnnxTensor): OnnxTensor => {
    const { data } = tensor
    if (!(data instanceof Uint8Array) || data.byteLength < REFERENCE_FROM_BYTES) return tensor
    if (data.buffer !== made.bytes.buffer) return tensor
    const offset = data.byteOffset - made.bytes.byteOffset
    return { ...tensor, data: { location: basename(made.path), offset, length: data.byteLength } }
  }
  return { ...loop, graph: { ...loop.graph, initializers: loop.graph.initializers.map(at) } }
}
