import { ProblemError } from '../problem-error.ts'

/** A part of an object, both ends included. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * What a Range header asks of an object of `sizeBytes` (RFC 9110 §14). Null for the whole object: no header, another
 * unit, several ranges, or one that cannot be read, which a server may ignore.
 * @throws ProblemError range_not_satisfiable when it lies outside.
 */
export function byteRange(header: string | null, sizeBytes: number): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  const [, first = '', last = ''] = match ?? []
  if (match === null || (first === '' && last === '')) return null
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes)
    if (length === 0) throw outside(sizeBytes)
    return { offset: sizeBytes - length, length }
  }
  const offset = Number(first)
  if (last !== '' && Number(last) < offset) return null
  if (offset >= sizeBytes) throw outside(sizeBytes)
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  return { offset, length: end - offset }
}

function outside(sizeBytes: number): ProblemError {
  const detail = `That range is outside the object, which has ${sizeBytes} bytes.`
  return new ProblemError('range_not_satisfiable', detail, {}, { 'content-range': `bytes */${sizeBytes}` })
}
