import { decodeField, type MultipartError, make, type PartInfo } from 'multipasta'
import { ProblemError } from '../problem-error.ts'

/** Fields are small: the longest is a name. */
const MAX_FIELD_BYTES = 16 * 1024
const MAX_PARTS = 100

/** Where the file's bytes go while the form is read. */
export interface FileSink {
  openFile(name: string): void
  writeFile(bytes: Uint8Array): Promise<void>
}

/**
 * Reads multipart/form-data as it comes, in any order and without Content-Length: the bytes of the part `file` go to the
 * sink, the other parts are returned as text. Memory holds one chunk. A field that comes twice is refused.
 */
export async function readForm(request: Request, sink: FileSink): Promise<Record<string, string>> {
  const contentType = request.headers.get('content-type') ?? ''
  if (!contentType.toLowerCase().startsWith('multipart/form-data')) {
    const came = contentType === '' ? 'no Content-Type' : contentType
    throw new ProblemError(
      'unsupported_media_type',
      `Expected multipart/form-data with a part \`file\`, got ${came}.`,
    )
  }
  if (request.body === null) throw new ProblemError('invalid_request', 'Expected a multipart body, got none.')
  const fields: Record<string, string> = {}
  const chunks: Uint8Array[] = []
  let failure: ProblemError | null = null
  const refuse = (error: ProblemError) => {
    failure ??= error
  }
  const parser = make({
    headers: { 'content-type': contentType },
    maxParts: MAX_PARTS,
    maxFieldSize: MAX_FIELD_BYTES,
    isFile: (info) => info.name === 'file' || info.filename !== undefined,
    onField: (info, value) => {
      if (Object.hasOwn(fields, info.name)) refuse(twice(info.name))
      fields[info.name] = decodeField(info, value)
    },
    onFile: (info) => {
      if (info.name !== 'file') refuse(unknownFile(info))
      else attempt(() => sink.openFile(info.filename ?? ''), refuse)
      return (chunk) => {
        if (chunk !== null && failure === null) chunks.push(chunk)
      }
    },
    onError: (error) => refuse(malformed(error)),
    onDone: () => undefined,
  })
  for await (const chunk of request.body) {
    // After a refusal the rest is read and dropped, so that the client gets the answer and not a reset.
    if (failure !== null) continue
    parser.write(chunk)
    for (const bytes of chunks.splice(0)) await sink.writeFile(bytes)
  }
  if (failure === null) parser.end()
  for (const bytes of chunks.splice(0)) await sink.writeFile(bytes)
  if (failure !== null) throw failure
  return fields
}

function attempt(action: () => void, refuse: (error: ProblemError) => void): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    refuse(error)
  }
}

function twice(name: string): ProblemError {
  return new ProblemError('invalid_request', `Expected the field "${name.slice(0, 100)}" once, got it twice.`)
}

function unknownFile(info: PartInfo): ProblemError {
  return new ProblemError(
    'invalid_request',
    `Expected the recording in the part \`file\`, got a file in "${info.name.slice(0, 100)}".`,
  )
}

function malformed(error: MultipartError): ProblemError {
  if (error._tag === 'ReachedLimit') {
    const what =
      error.limit === 'MaxFieldSize'
        ? `a field is longer than ${MAX_FIELD_BYTES} bytes`
        : `there are more than ${MAX_PARTS} parts`
    return new ProblemError('payload_too_large', `The form is too large: ${what}.`)
  }
  const reasons = {
    InvalidBoundary: 'the Content-Type has no usable boundary',
    BadHeaders: "a part's headers cannot be read",
    InvalidDisposition: 'a part has no Content-Disposition with a name',
    EndNotReached: 'the body ends before the closing boundary',
  }
  return new ProblemError('invalid_request', `Expected a multipart body: ${reasons[error._tag]}.`)
}
