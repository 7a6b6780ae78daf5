import type { z } from 'zod'
import { type CreateUpload, UploadView } from '#protocol/api.ts'
import type { UploadId } from '#protocol/ids.ts'
import type { Connection } from './http.ts'

export interface UploadOptions {
  /** Go on with an upload that was broken off; only its missing parts are sent. */
  readonly resume?: UploadId | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the upload's id at once, then after every part: bytes at the server, of all. */
  readonly onProgress?: ((upload: UploadView, receivedBytes: number) => void) | undefined
}

/**
 * Brings a recording to the server in parts, one at a time; every part may be sent again, so a broken line costs one part.
 * Memory stays flat: a part is a slice of the Blob, read as it is sent.
 * @throws RangeError when `resume` names an upload of another size, DalstonProblem, DalstonUnreachable.
 */
export async function uploadParts(
  connection: Connection,
  file: Blob,
  fileName: string,
  options: UploadOptions = {},
): Promise<UploadView> {
  const { signal } = options
  const upload = await begin(connection, file, fileName, options)
  if (upload.size_bytes !== file.size) {
    throw new RangeError(`upload ${upload.id} is for ${upload.size_bytes} bytes, the file has ${file.size}`)
  }
  const received = new Set(upload.received_parts)
  const report = () => options.onProgress?.(upload, receivedBytes(upload, received))
  report()
  for (const part of missingParts(upload)) {
    await connection.send(`/v1/uploads/${upload.id}/parts/${part}`, {
      method: 'PUT',
      body: partOf(file, upload, part),
      headers: { 'content-type': 'application/octet-stream' },
      repeatable: true,
      patient: true,
      signal,
    })
    received.add(part)
    report()
  }
  if (upload.completed) return upload
  return connection.json(UploadView, `/v1/uploads/${upload.id}/complete`, {
    method: 'POST',
    repeatable: true,
    patient: true,
    signal,
  })
}

/** The numbers, from 1, that the server has not. */
export function missingParts(upload: UploadView): number[] {
  if (upload.completed) return []
  const received = new Set(upload.received_parts)
  const all = Array.from({ length: upload.part_count }, (_, index) => index + 1)
  return all.filter((part) => !received.has(part))
}

function begin(
  connection: Connection,
  file: Blob,
  fileName: string,
  { resume, signal }: UploadOptions,
): Promise<UploadView> {
  if (resume !== undefined) return connection.json(UploadView, `/v1/uploads/${resume}`, { signal })
  const request: z.input<typeof CreateUpload> = { file_name: fileName, size_bytes: file.size }
  return connection.json(UploadView, '/v1/uploads', {
    method: 'POST',
    body: JSON.stringify(request),
    headers: { 'content-type': 'application/json' },
    // A second, empty upload in place of a lost answer is swept by the server.
    repeatable: true,
    signal,
  })
}

function partOf(file: Blob, upload: UploadView, part: number): Blob {
  const start = (part - 1) * upload.part_size_bytes
  return file.slice(start, Math.min(start + upload.part_size_bytes, file.size))
}

function receivedBytes(upload: UploadView, received: ReadonlySet<number>): number {
  const whole = received.size * upload.part_size_bytes
  const lastSize = upload.size_bytes - (upload.part_count - 1) * upload.part_size_bytes
  return received.has(upload.part_count) ? whole - upload.part_size_bytes + lastSize : whole
}
