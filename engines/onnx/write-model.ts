import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Placing, writeModel } from './field-writer.ts'
import type { ExternalData, OnnxModel, OnnxTensor } from './graph.ts'
import { WireWriter } from './wire-writer.ts'

export interface WriteOptions {
  /** Weights of at least `fromBytes` (64 KiB) go to this file beside the model. Needed above 2 GB. */
  readonly externalData?: { readonly location: string; readonly fromBytes?: number }
}

/** Protobuf's own limit for a message. */
const MODEL_LIMIT_BYTES = 2 ** 31 - 1
/** Files are mapped into memory by pages. */
const PAGE_BYTES = 4096
const EXTERNAL_FROM_BYTES = 65_536
/** IOV_MAX on Linux. */
const CHUNKS_A_WRITE = 1024
const PADDING = new Uint8Array(PAGE_BYTES)

/** The model as the bytes of a `.onnx` file. Weights are copied once: for large models `writeModelFile` holds less. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return Buffer.concat(modelChunks(model, (tensor) => tensor))
}

/**
 * Writes a `.onnx` file, and its data file where weights go there. Weights are written from where they lie in memory. Each
 * file appears whole or not at all.
 */
export async function writeModelFile(
  path: string,
  model: OnnxModel,
  options: WriteOptions = {},
): Promise<void> {
  const { externalData } = options
  if (externalData === undefined)
    return writeWhole(
      path,
      modelChunks(model, (tensor) => tensor),
    )
  const data = new DataFile(externalData.location, externalData.fromBytes ?? EXTERNAL_FROM_BYTES)
  const chunks = modelChunks(model, (tensor) => data.place(tensor))
  await writeWhole(join(dirname(path), externalData.location), data.chunks)
  await writeWhole(path, chunks)
}

function modelChunks(model: OnnxModel, place: Placing): readonly Uint8Array[] {
  const writer = new WireWriter()
  writeModel(writer, model, place)
  if (writer.size > MODEL_LIMIT_BYTES)
    throw new RangeError(
      `The model ${model.graph.name} takes ${writer.size} bytes, a .onnx file holds ${MODEL_LIMIT_BYTES}: write its weights as external data`,
    )
  return writer.chunks()
}

/** The weights that are written beside the model; the same bytes twice lie there once. */
class DataFile {
  readonly chunks: Uint8Array[] = []
  readonly #location: string
  readonly #fromBytes: number
  readonly #placed = new Map<ArrayBufferLike, { readonly bytes: Uint8Array; readonly data: ExternalData }[]>()
  #size = 0

  constructor(location: string, fromBytes: number) {
    this.#location = location
    this.#fromBytes = fromBytes
  }

  place(tensor: OnnxTensor): OnnxTensor {
    const { data } = tensor
    if (!(data instanceof Uint8Array) || data.byteLength < this.#fromBytes) return tensor
    return { ...tensor, data: this.#placedBefore(data) ?? this.#append(data) }
  }

  #placedBefore(bytes: Uint8Array): ExternalData | undefined {
    const found = this.#placed.get(bytes.buffer)?.find((one) => isSameView(one.bytes, bytes))
    return found?.data
  }

  #append(bytes: Uint8Array): ExternalData {
    const padding = -this.#size & (PAGE_BYTES - 1)
    if (padding > 0) this.chunks.push(PADDING.subarray(0, padding))
    const data = { location: this.#location, offset: this.#size + padding, length: bytes.byteLength }
    this.chunks.push(bytes)
    this.#size = data.offset + data.length
    const placed = this.#placed.get(bytes.buffer) ?? []
    this.#placed.set(bytes.buffer, [...placed, { bytes, data }])
    return data
  }
}

function isSameView(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteOffset === b.byteOffset && a.byteLength === b.byteLength
}

async function writeWhole(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const partial = `${path}.partial`
  try {
    await using file = await open(partial, 'w')
    for (let at = 0; at < chunks.length; at += CHUNKS_A_WRITE)
      await file.writev(chunks.slice(at, at + CHUNKS_A_WRITE))
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  await rename(partial, path)
}
