import { readEntry } from './entry-reader.ts'
import { byteLength, type ElementType, type ExternalData, elementCount, type OnnxTensor } from './graph.ts'
import { elementType } from './value-reader.ts'
import type { WireReader } from './wire-reader.ts'

const EXTERNAL = 1

/** What the file has for the elements; a writer chooses one field by the type and its taste. */
interface Found {
  raw: Uint8Array | null
  readonly fixed: Uint8Array[]
  readonly integers: (number | bigint)[]
  readonly strings: Uint8Array[]
  readonly external: Map<string, string>
  isExternal: boolean
}

/** A TensorProto. Numbers in `raw_data`, `float_data` and `double_data` stay where they are; varints become raw data. */
export function readTensor(reader: WireReader): OnnxTensor {
  const sizes: (number | bigint)[] = []
  let name = ''
  let code = 0
  const found: Found = {
    raw: null,
    fixed: [],
    integers: [],
    strings: [],
    external: new Map(),
    isExternal: false,
  }
  const unknown = reader.fields({
    1: () => reader.integers('dims', sizes),
    2: () => {
      code = reader.count('data_type')
    },
    3: () => reader.fail('a tensor in segments is not supported', 'segment'),
    4: () => found.fixed.push(reader.fixed('float_data', 4)),
    5: () => reader.integers('int32_data', found.integers),
    6: () => found.strings.push(reader.bytes('string_data')),
    7: () => reader.integers('int64_data', found.integers),
    8: () => {
      name = reader.text('name')
    },
    9: () => {
      found.raw = reader.bytes('raw_data')
    },
    10: () => found.fixed.push(reader.fixed('double_data', 8)),
    11: () => reader.integers('uint64_data', found.integers),
    13: () => readEntry(reader.message('external_data'), found.external),
    14: () => {
      found.isExternal = reader.count('data_location', EXTERNAL) === EXTERNAL
    },
  })
  const shape = sizes.map((size) =>
    typeof size === 'number' && size >= 0 ? size : reader.fail(`found the size ${size}`, 'dims'),
  )
  const type = elementType(code) ?? reader.fail(`found the unknown element type ${code}`, 'data_type')
  const data = dataOf(reader, type, found)
  checkSize(reader, { name, type, shape, data })
  return { name, type, shape, data, ...(unknown.length > 0 ? { unknown } : {}) }
}

function dataOf(reader: WireReader, type: ElementType, found: Found): OnnxTensor['data'] {
  if (found.isExternal) return externalOf(reader, found.external)
  if (type === 'string') return { strings: found.strings }
  if (found.raw !== null) return found.raw
  if (found.integers.length > 0)
    return integersAs(type, found.integers) ?? reader.fail(`found ${type} as varints`)
  const [only = new Uint8Array(0), ...more] = found.fixed
  return more.length === 0 ? only : Uint8Array.from(Buffer.concat(found.fixed))
}

function externalOf(reader: WireReader, entries: ReadonlyMap<string, string>): ExternalData {
  const { location, offset, length, ...more } = Object.fromEntries(entries)
  if (!location) return reader.fail('expected a location', 'external_data')
  return {
    location,
    offset: offset === undefined ? 0 : bytesOf(reader, offset),
    length: length === undefined ? null : bytesOf(reader, length),
    ...(Object.keys(more).length > 0 ? { more } : {}),
  }
}

function bytesOf(reader: WireReader, text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : null
  return count ?? reader.fail(`expected a number of bytes, found '${text}'`, 'external_data')
}

/** Types below 32 bits, and halves as their bit patterns, are varints of int32_data. */
function integersAs(type: ElementType, values: readonly (number | bigint)[]): Uint8Array | null {
  const view = typedArray(type, values)
  return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function typedArray(type: ElementType, values: readonly (number | bigint)[]): ArrayBufferView | null {
  switch (type) {
    case 'int64':
      return BigInt64Array.from(values, BigInt)
    case 'uint64':
      return BigUint64Array.from(values, BigInt)
    case 'int32':
    case 'uint32':
      return Int32Array.from(values, Number)
    case 'int16':
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return Uint16Array.from(values, Number)
    case 'string':
    case 'float32':
    case 'float64':
    case 'complex64':
    case 'complex128':
      return null
    default:
      return Uint8Array.from(values, Number)
  }
}

function checkSize(reader: WireReader, { name, type, shape, data }: OnnxTensor): void {
  const told = `${name || 'a tensor'} is ${type} [${shape.join(', ')}]`
  if ('strings' in data) {
    if (data.strings.length !== elementCount(shape))
      reader.fail(`${told} and has ${data.strings.length} strings`)
    return
  }
  const length = data instanceof Uint8Array ? data.byteLength : data.length
  const expected = byteLength(type, shape)
  if (length !== null && length !== expected)
    reader.fail(`${told}: expected ${expected} bytes, found ${length}`)
}
