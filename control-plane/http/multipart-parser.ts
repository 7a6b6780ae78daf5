/**
 * Splits multipart/form-data (RFC 7578) as its bytes come, in pieces of any size. It decides nothing about parts and
 * stores none: memory holds one piece and the longest head. Pure but for its own fields.
 */
export interface PartHead {
  readonly name: string
  /** Null for a plain field. Shown to people; never a path. */
  readonly fileName: string | null
}

export interface PartHandlers {
  /** A part begins. What any handler throws ends the parse and reaches the caller of `write`. */
  onPart(head: PartHead): void
  onBytes(bytes: Uint8Array): void
  onPartEnd(): void
}

/** The body is not what its Content-Type says; the message completes "Expected a multipart body: …". */
export class MultipartFault extends Error {}

const MAX_HEAD_BYTES = 16 * 1024
/** RFC 2046: a boundary has 1 to 70 characters. */
const BOUNDARY = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?=[\s;]|$))/i
const CRLF = Uint8Array.of(13, 10)
/** The first delimiter may stand at the very beginning, without the line break that belongs to it. */
export const LEAD = CRLF
const HEAD_END = Uint8Array.of(13, 10, 13, 10)
const DASH = 45
const NOTHING = new Uint8Array(0)
const decoder = new TextDecoder()

export class MultipartParser {
  readonly #delimiter: Uint8Array
  readonly #handlers: PartHandlers
  #state: 'preamble' | 'after delimiter' | 'head' | 'body' | 'end' = 'preamble'
  #rest: Uint8Array = NOTHING

  /** @throws MultipartFault when the Content-Type names no boundary. */
  constructor(contentType: string, handlers: PartHandlers) {
    const match = BOUNDARY.exec(contentType)
    const boundary = match?.[1] ?? match?.[2]
    if (boundary === undefined) throw new MultipartFault('the Content-Type has no usable boundary')
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`)
    this.#handlers = handlers
  }

  /**
   * Parses the body's next bytes and returns how many at their end it could not take yet: the caller puts those before
   * the next ones. The first bytes are LEAD and then the body's own. What a handler gets is valid during the call only.
   */
  write(bytes: Uint8Array): number {
    this.#rest = bytes
    while (this.#advance()) {
      // Each turn takes one part of the grammar off the rest.
    }
    const left = this.#rest.length
    this.#rest = NOTHING
    return left
  }

  /** @throws MultipartFault when the closing delimiter has not come. */
  end(): void {
    if (this.#state !== 'end') throw new MultipartFault('the body ends before the closing boundary')
  }

  /** False when more bytes are needed. */
  #advance(): boolean {
    switch (this.#state) {
      case 'preamble':
      case 'body':
        return this.#passBody()
      case 'after delimiter':
        return this.#passDelimiterEnd()
      case 'head':
        return this.#passHead()
      case 'end':
        this.#rest = NOTHING
        return false
    }
  }

  #passBody(): boolean {
    const at = indexOf(this.#rest, this.#delimiter)
    // What may be the beginning of a delimiter waits for the next piece.
    const free = at >= 0 ? at : Math.max(0, this.#rest.length - this.#delimiter.length + 1)
    if (this.#state === 'body' && free > 0) this.#handlers.onBytes(this.#rest.subarray(0, free))
    this.#rest = this.#rest.subarray(at >= 0 ? at + this.#delimiter.length : free)
    if (at < 0) return false
    if (this.#state === 'body') this.#handlers.onPartEnd()
    this.#state = 'after delimiter'
    return true
  }

  #passDelimiterEnd(): boolean {
    if (this.#rest.length < 2) return false
    if (this.#rest[0] === DASH && this.#rest[1] === DASH) {
      this.#state = 'end'
      return true
    }
    const lineEnd = indexOf(this.#rest, CRLF)
    if (lineEnd < 0 && this.#rest.length < 100) return false
    // RFC 2046 allows spaces and tabs between the boundary and its line end.
    if (lineEnd < 0 || this.#rest.subarray(0, lineEnd).some((byte) => byte !== 32 && byte !== 9)) {
      throw new MultipartFault('a boundary is not followed by a line end')
    }
    // The line end stays: it closes an empty head.
    this.#rest = this.#rest.subarray(lineEnd)
    this.#state = 'head'
    return true
  }

  #passHead(): boolean {
    const end = indexOf(this.#rest, HEAD_END)
    if (end > MAX_HEAD_BYTES || (end < 0 && this.#rest.length > MAX_HEAD_BYTES)) {
      throw new MultipartFault(`a part's headers are longer than ${MAX_HEAD_BYTES} bytes`)
    }
    if (end < 0) return false
    this.#handlers.onPart(headOf(decoder.decode(this.#rest.subarray(0, end))))
    this.#rest = this.#rest.subarray(end + HEAD_END.length)
    this.#state = 'body'
    return true
  }
}

function headOf(lines: string): PartHead {
  const disposition = /^content-disposition[ \t]*:(.*)$/im.exec(lines)?.[1] ?? ''
  const name = parameter(disposition, 'name')
  if (!/^\s*form-data\s*;/i.test(disposition) || name === null) {
    throw new MultipartFault('a part has no Content-Disposition with a name')
  }
  return { name, fileName: extended(disposition) ?? parameter(disposition, 'filename') }
}

/**
 * Quoted as browsers do (%22 for a quote) or as curl does (a backslash before it). Each byte fits one alternative only,
 * so that no head makes the expression slow.
 */
function parameter(disposition: string, name: string): string | null {
  const match = new RegExp(
    `;\\s*${name}=(?:"((?:\\\\["\\\\]|[^"\\\\]|\\\\(?!["\\\\]))*)"|([^\\s;"]+))`,
    'i',
  ).exec(disposition)
  const text = match?.[1]?.replace(/\\(["\\])/g, '$1') ?? match?.[2] ?? null
  return text?.replace(/%22/g, '"').replace(/%0D/gi, '\r').replace(/%0A/gi, '\n') ?? null
}

/** `filename*=UTF-8''…` (RFC 5987); null where it is absent or cannot be read. */
function extended(disposition: string): string | null {
  const encoded = /;\s*filename\*=utf-8'[^']*'([^\s;]+)/i.exec(disposition)?.[1]
  try {
    return encoded === undefined ? null : decodeURIComponent(encoded)
  } catch {
    return null // percent signs that encode nothing: the plain name stands beside it
  }
}

/** -1 where `needle` is not. The native search for its first byte does nearly all of the work. */
function indexOf(bytes: Uint8Array, needle: Uint8Array): number {
  const [first] = needle
  if (first === undefined) return 0
  const last = bytes.length - needle.length
  for (let at = bytes.indexOf(first); at >= 0 && at <= last; at = bytes.indexOf(first, at + 1)) {
    if (startsAt(bytes, needle, at)) return at
  }
  return -1
}

function startsAt(bytes: Uint8Array, needle: Uint8Array, at: number): boolean {
  for (let index = 1; index < needle.length; index++) if (bytes[at + index] !== needle[index]) return false
  return true
}
