import { ELEMENT_TYPES, type ElementType, type OnnxValue, type UnknownField } from './graph.ts'
import type { WireReader } from './wire-reader.ts'

/** A ValueInfoProto. A type that is no plain tensor (a sequence, an optional, a denotation) is kept unread. */
export function readValue(reader: WireReader): OnnxValue {
  let name = ''
  let type: Type | null = null
  const untold: UnknownField[] = []
  const unknown = reader.fields({
    1: () => {
      name = reader.text('name')
    },
    2: () => {
      type = readType(reader.message('type'))
      if (type === null) untold.push(reader.consumed())
    },
  })
  if (name === '') reader.fail('expected a name')
  const fields = [...untold, ...unknown]
  return { name, ...(type ?? {}), ...(fields.length > 0 ? { unknown: fields } : {}) }
}

type Type = Pick<OnnxValue, 'type' | 'shape'>

function readType(reader: WireReader): Type | null {
  const found: (Type | null)[] = []
  const others = reader.fields({ 1: () => found.push(readTensorType(reader.message('tensor_type'))) })
  return others.length === 0 && found.length === 1 ? (found[0] ?? null) : null
}

function readTensorType(reader: WireReader): Type | null {
  let code = 0
  let shape: Shape | null | undefined
  const others = reader.fields({
    1: () => {
      code = reader.count('elem_type')
    },
    2: () => {
      shape = readShape(reader.message('shape'))
    },
  })
  const type = elementType(code)
  if (type === null || shape === null || others.length > 0) return null
  return { type, ...(shape === undefined ? {} : { shape }) }
}

type Shape = readonly (number | string)[]

function readShape(reader: WireReader): Shape | null {
  const shape: (number | string)[] = []
  let isPlain = true
  const others = reader.fields({
    1: () => {
      const size = readSize(reader.message(`dim[${shape.length}]`))
      if (size === null) isPlain = false
      shape.push(size ?? '')
    },
  })
  return isPlain && others.length === 0 ? shape : null
}

function readSize(reader: WireReader): number | string | null {
  let size: number | bigint | string = ''
  const others = reader.fields({
    1: () => {
      size = reader.integer('dim_value')
    },
    2: () => {
      size = reader.text('dim_param')
    },
  })
  return others.length > 0 || typeof size === 'bigint' ? null : size
}

const BY_CODE = new Map<number, ElementType>(
  // The assertion holds: the keys of the table are the element types.
  Object.entries(ELEMENT_TYPES).map(([name, { code }]) => [code, name as ElementType]),
)

export function elementType(code: number): ElementType | null {
  return BY_CODE.get(code) ?? null
}
