import { isUtf8 } from 'node:buffer'
import type { UnknownField } from './graph.ts'

/** What is wrong with a model's bytes, and where. */
export class OnnxFormatError extends Error {
  override readonly name = 'OnnxFormatError'
  /** From the start of the bytes. */
  readonly offset: number
  /** From the model down, for example `graph.node[3].attribute`. */
  readonly field: string
  /** The sentence without the place. */
  readonly problem: string

  constructor(problem: string, offset: number, field: string, options?: ErrorOptions) {
    super(`${problem} (at byte ${offset}, in ${field || 'the model'})`, options)
    this.problem = problem
    this.offset = offset
    this.field = field
  }
}

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5
/** A level costs a few bytes: without a limit a small file could use up the stack. */
const DEPTH_LIMIT = 100
/** Messages and single numbers: each costs a few bytes and becomes hundreds. Large models have some ten thousand. */
const PART_LIMIT = 2_000_000
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Goes through one protobuf message field by field. Bytes are views of the file; nothing is set aside for a length that the
 * file only states. Every method throws an `OnnxFormatError`.
 */
export class WireReader {
  readonly #file: Uint8Array
  readonly #path: readonly string[]
  readonly #end: number
  /** One count for the whole file. */
  readonly #parts: { count: number }
  #at: number
  #fieldStart: number
  #field = 0
  #wire = VARINT

  private constructor(
    file: Uint8Array,
    from: number,
    to: number,
    path: readonly string[],
    parts: { count: number },
  ) {
    this.#file = file
    this.#at = from
    this.#fieldStart = from
    this.#end = to
    this.#path = path
    this.#parts = parts
    if (path.length > DEPTH_LIMIT) this.fail(`messages are nested deeper than ${DEPTH_LIMIT}`)
    this.#count()
  }

  /** The outermost message: all of the bytes. */
  static of(bytes: Uint8Array): WireReader {
    // A Buffer's parts would be Buffers, which other code prints and slices in another way.
    const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new WireReader(file, 0, file.length, [], { count: 0 })
  }

  /** Goes through the message: each field is read by the function of its number. Gives the fields that have none. */
  fields(readers: Readonly<Record<number, () => void>>): UnknownField[] {
    const unknown: UnknownField[] = []
    while (this.#next()) {
      const read = readers[this.#field]
      if (read === undefined) unknown.push(this.#skipped())
      else read()
    }
    return unknown
  }

  /** As `fields`, for messages that have no others. */
  onlyFields(readers: Readonly<Record<number, () => void>>): void {
    if (this.fields(readers).length > 0) this.fail('found a field that is not known here')
  }

  /** The bytes of the field that was read last, with its tag. */
  consumed(): UnknownField {
    return this.#file.subarray(this.#fieldStart, this.#at)
  }

  /** A whole number, signed; a bigint where a double could not hold it. */
  integer(name: string): number | bigint {
    this.#expect(VARINT, name)
    return this.#varint()
  }

  /** A whole number from 0. */
  count(name: string, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.integer(name)
    if (typeof value === 'bigint' || value < 0 || value > most)
      this.fail(`expected a number from 0 to ${most}, found ${value}`, name)
    return Number(value)
  }

  float(name: string): number {
    this.#expect(FIXED32, name)
    const { buffer, byteOffset } = this.fixed(name, 4)
    return new DataView(buffer, byteOffset).getFloat32(0, true)
  }

  bytes(name: string): Uint8Array {
    const { from, to } = this.#range(name)
    return this.#file.subarray(from, to)
  }

  text(name: string): string {
    const text = this.textOrBytes(name)
    return typeof text === 'string' ? text : this.fail('expected UTF-8 text', name)
  }

  /** Text; where it is not UTF-8 the bytes. */
  textOrBytes(name: string): string | Uint8Array {
    const bytes = this.bytes(name)
    return isUtf8(bytes) ? decoder.decode(bytes) : bytes
  }

  /** The nested message; it is read through to its end before this one goes on. */
  message(name: string): WireReader {
    const { from, to } = this.#range(name)
    return new WireReader(this.#file, from, to, [...this.#path, name], this.#parts)
  }

  /** One entry of a repeated number, or all of them packed. */
  integers(name: string, into: (number | bigint)[]): void {
    if (this.#wire === VARINT) {
      into.push(this.#varint())
      return
    }
    const packed = this.message(name)
    while (packed.#at < packed.#end) into.push(packed.#varint())
  }

  floats(name: string, into: number[]): void {
    if (this.#wire === FIXED32) {
      into.push(this.float(name))
      return
    }
    const bytes = this.bytes(name)
    if (bytes.byteLength % 4 !== 0)
      this.fail(`expected floats of 4 bytes, found ${bytes.byteLength} bytes`, name)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at < bytes.byteLength; at += 4) into.push(view.getFloat32(at, true))
  }

  /** Bytes of fixed-width entries: of one, or of all of them packed. */
  fixed(name: string, width: 4 | 8): Uint8Array {
    if (this.#wire === LENGTH) return this.bytes(name)
    this.#expect(width === 4 ? FIXED32 : FIXED64, name)
    this.#count()
    this.#need(width, name)
    this.#at += width
    return this.#file.subarray(this.#at - width, this.#at)
  }

  /** The problem may quote the file, which may hold anything. */
  fail(problem: string, name?: string): never {
    const line = problem.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 300)
    throw new OnnxFormatError(line, this.#fieldStart, [...this.#path, ...(name ? [name] : [])].join('.'))
  }

  #count(): void {
    this.#parts.count += 1
    if (this.#parts.count > PART_LIMIT) this.fail(`the file has more than ${PART_LIMIT} parts`)
  }

  #next(): boolean {
    this.#fieldStart = this.#at
    if (this.#at >= this.#end) return false
    const tag = Number(this.#varint())
    this.#field = Math.floor(tag / 8)
    this.#wire = tag % 8
    if (this.#field <= 0 || tag > 0xffff_ffff) this.fail('expected a field, found no valid tag')
    return true
  }

  #skipped(): UnknownField {
    const name = `field ${this.#field}`
    if (this.#wire === VARINT) this.#varint()
    else if (this.#wire === LENGTH) this.#range(name)
    else if (this.#wire === FIXED32) this.fixed(name, 4)
    else if (this.#wire === FIXED64) this.fixed(name, 8)
    else this.fail(`found the unknown wire type ${this.#wire}`, name)
    return this.consumed()
  }

  #expect(wire: number, name: string): void {
    if (this.#wire !== wire) this.fail(`expected a field of wire type ${wire}, found ${this.#wire}`, name)
  }

  #range(name: string): { readonly from: number; readonly to: number } {
    this.#expect(LENGTH, name)
    const length = Number(this.#varint())
    this.#need(length, name)
    const from = this.#at
    this.#at += length
    return { from, to: this.#at }
  }

  #need(length: number, name: string): void {
    if (length < 0 || length > this.#end - this.#at)
      this.fail(`expected ${length} bytes, ${this.#end - this.#at} are left`, name)
  }

  /** Two's complement of 64 bits. */
  #varint(): number | bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 127) << shift
      if (byte < 128) return low
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return numberOf(BigInt.asIntN(64, value))
    }
    return this.fail('found a number of more than ten bytes')
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#file[this.#at] : undefined
    if (byte === undefined) return this.fail('the file ends inside a number')
    this.#at += 1
    return byte
  }
}

function numberOf(value: bigint): number | bigint {
  return BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value
}

/** The number of a field that was kept unread: its tag has two bytes below 2048, which all of ONNX's are. */
export function fieldNumber([first = 0, second = 0]: UnknownField): number {
  return (first < 128 ? first : (first & 127) | (second << 7)) >>> 3
}
