import { readFile } from 'node:fs/promises'
import { readEntry } from './entry-reader.ts'
import type { OnnxGraph, OnnxModel } from './graph.ts'
import { readGraph } from './graph-reader.ts'
import { OnnxFormatError, WireReader } from './wire-reader.ts'

/**
 * Reads a `.onnx` file. Weights are views of its bytes, or external references as they stand. What is no model throws an
 * `OnnxFormatError` that names the file.
 */
export async function readModelFile(path: string): Promise<OnnxModel> {
  const bytes = await readFile(path)
  try {
    return decodeModel(bytes)
  } catch (error) {
    if (!(error instanceof OnnxFormatError)) throw error
    const problem = `${path} is no ONNX model: ${error.problem}`
    throw new OnnxFormatError(problem, error.offset, error.field, { cause: error })
  }
}

/** The model in the bytes of a `.onnx` file; it keeps views of them. Field numbers are those of onnx.proto3. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  const reader = WireReader.of(bytes)
  const opsets = new Map<string, number>()
  const metadata = new Map<string, string>()
  const graphs: OnnxGraph[] = []
  let irVersion: number | null = null
  let name = ''
  let version = ''
  const unknown = reader.fields({
    1: () => {
      irVersion = reader.count('ir_version')
    },
    2: () => {
      name = reader.text('producer_name')
    },
    3: () => {
      version = reader.text('producer_version')
    },
    7: () => graphs.push(readGraph(reader.message('graph'))),
    8: () => readOpset(reader.message('opset_import'), opsets),
    14: () => readEntry(reader.message('metadata_props'), metadata),
  })
  const [graph, ...more] = graphs
  if (graph === undefined || more.length > 0) return reader.fail(`expected one graph, found ${graphs.length}`)
  if (irVersion === null) return reader.fail('expected an IR version')
  return {
    graph,
    opsets: Object.fromEntries(opsets),
    irVersion,
    producer: { name, version },
    metadata: Object.fromEntries(metadata),
    ...(unknown.length > 0 ? { unknown } : {}),
  }
}

function readOpset(reader: WireReader, opsets: Map<string, number>): void {
  let domain = ''
  let version = 0
  reader.onlyFields({
    1: () => {
      domain = reader.text('domain')
    },
    2: () => {
      version = reader.count('version')
    },
  })
  if (opsets.has(domain)) reader.fail(`found the domain '${domain}' twice`)
  opsets.set(domain, version)
}
