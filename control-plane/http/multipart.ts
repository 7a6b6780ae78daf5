import { ProblemError } from '../problem-error.ts'
import { LEAD, MultipartFault, MultipartParser, type PartHead } from './multipart-parser.ts'

/** Fields are small: the longest is a name. */
const MAX_FIELD_BYTES = 16 * 1024
const MAX_PARTS = 100
/** Each read takes what is there, up to this; for a short body less, but more than the longest head of a part. */
const BUFFER_BYTES = 256 * 1024
const SHORT_BUFFER_BYTES = 32 * 1024

/** Where the file's bytes go while the form is read. */
export interface FileSink {
  openFile(name: string): void
  writeFile(bytes: Uint8Array): Promise<void>
}

/**
 * Reads multipart/form-data as it comes, in any order and without Content-Length: the bytes of the part `file` go to the
 * sink, the other parts are returned as text. Memory holds one buffer, read into again and again: a gigabyte
 * leaves no garbage behind. What was not read when it throws is still in the
 * request, for the caller to drain.
 */
export async function readForm(request: Request, sink: FileSink): Promise<Record<string, string>> {
  const contentType = request.headers.get('content-type') ?? ''
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    const came = contentType === '' ? 'no Content-Type' : contentType.slice(0, 100)
    throw new ProblemError(
      'unsupported_media_type',
      `Expected multipart/form-data with a part \`file\`, got ${came}.`,
    )
  }
  if (request.body === null) throw new ProblemError('invalid_request', 'Expected a multipart body, got none.')
  const form = new Form(sink)
  const reader = request.body.getReader({ mode: 'byob' })
  try {
    const parser = new MultipartParser(contentType, form)
    // One buffer goes round: it is lent to each read and comes back with the new bytes behind those that were left.
    let buffer = new Uint8Array(bufferBytes(request))
    buffer.set(LEAD)
    let left = LEAD.length
    for (;;) {
      const { done, value } = await reader.read(buffer.subarray(left))
      if (done) break
      buffer = new Uint8Array(value.buffer)
      const filled = left + value.length
      left = parser.write(buffer.subarray(0, filled))
      for (const bytes of form.takeFileBytes()) await sink.writeFile(bytes)
      buffer.copyWithin(0, filled - left, filled)
    }
    parser.end()
  } catch (error) {
    throw error instanceof MultipartFault ? malformed(error) : error
  } finally {
    reader.releaseLock()
  }
  return form.fields()
}

/** One byte more than the body with its lead has: a read needs room, also the one that finds the end. */
function bufferBytes(request: Request): number {
  const bodyBytes = Number(request.headers.get('content-length')) || BUFFER_BYTES
  return Math.max(SHORT_BUFFER_BYTES, Math.min(bodyBytes + LEAD.length + 1, BUFFER_BYTES))
}

/** The parts of one form as they come. A field that comes twice is refused. */
class Form {
  readonly #sink: FileSink
  readonly #fields = new Map<string, string>()
  #parts = 0
  /** The name of the field that is being read; null while it is the file. */
  #field: string | null = null
  #fieldBytes: Uint8Array[] = []
  #fieldSizeBytes = 0
  #fileBytes: Uint8Array[] = []

  constructor(sink: FileSink) {
    this.#sink = sink
  }

  onPart({ name, fileName }: PartHead): void {
    if (++this.#parts > MAX_PARTS) throw tooLarge(`there are more than ${MAX_PARTS} parts`)
    const isFile = name === 'file'
    if (!isFile && fileName !== null) throw unknownFile(name)
    if (isFile) this.#sink.openFile(fileName ?? '')
    else if (this.#fields.has(name)) throw twice(name)
    this.#field = isFile ? null : name
    this.#fieldBytes = []
    this.#fieldSizeBytes = 0
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#field === null) {
      this.#fileBytes.push(bytes)
      return
    }
    this.#fieldSizeBytes += bytes.length
    if (this.#fieldSizeBytes > MAX_FIELD_BYTES)
      throw tooLarge(`a field is longer than ${MAX_FIELD_BYTES} bytes`)
    this.#fieldBytes.push(bytes.slice())
  }

  onPartEnd(): void {
    if (this.#field === null) return
    const decoder = new TextDecoder()
    const text = this.#fieldBytes.map((bytes) => decoder.decode(bytes, { stream: true })).join('')
    this.#fields.set(this.#field, `${text}${decoder.decode()}`)
  }

  takeFileBytes(): Uint8Array[] {
    return this.#fileBytes.splice(0)
  }

  fields(): Record<string, string> {
    return Object.fromEntries(this.#fields)
  }
}

function twice(name: string): ProblemError {
  return new ProblemError('invalid_request', `Expected the field "${name.slice(0, 100)}" once, got it twice.`)
}

function unknownFile(name: string): ProblemError {
  return new ProblemError(
    'invalid_request',
    `Expected the recording in the part \`file\`, got a file in "${name.slice(0, 100)}".`,
  )
}

function tooLarge(what: string): ProblemError {
  return new ProblemError('payload_too_large', `The form is too large: ${what}.`)
}

function malformed(fault: MultipartFault): ProblemError {
  return new ProblemError('invalid_request', `Expected a multipart body: ${fault.message}.`)
}
