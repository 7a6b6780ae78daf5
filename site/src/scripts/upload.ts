/**
 * Sends recordings to the console's own routes. XMLHttpRequest, since fetch cannot tell how far an upload is. Failures
 * throw an Error whose message is the server's explanation.
 */
export interface UploadRequest {
  readonly csrfToken: string
  readonly fields: Readonly<Record<string, string>>
}

/** A part is sent this often before the upload is given up. */
const PART_TRIES = 3

type OnProgress = (fraction: number) => void

/** One request with fields first, so that the server knows them before the bytes come. Returns the job's id. */
export async function uploadWhole(
  file: File,
  request: UploadRequest,
  onProgress: OnProgress,
): Promise<string> {
  const body = new FormData()
  for (const [name, value] of Object.entries(request.fields)) body.append(name, value)
  body.append('file', file)
  const created = await exchange({ method: 'POST', path: '/ui/jobs', body, request, onProgress })
  return textOf(created, 'id')
}

/** Parts of equal size, then one job for the finished upload. */
export async function uploadInParts(
  file: File,
  request: UploadRequest,
  onProgress: OnProgress,
): Promise<string> {
  const wanted = JSON.stringify({ file_name: file.name, size_bytes: file.size })
  const upload = await exchange({ method: 'POST', path: '/ui/uploads', body: wanted, request })
  const path = `/ui/uploads/${textOf(upload, 'id')}`
  const partBytes = numberOf(upload, 'part_size_bytes')
  for (let part = 1, start = 0; start < file.size; part++, start += partBytes) {
    const body = file.slice(start, start + partBytes)
    const onPart: OnProgress = (fraction) => onProgress((start + fraction * body.size) / file.size)
    await retried(() =>
      exchange({ method: 'PUT', path: `${path}/parts/${part}`, body, request, onProgress: onPart }),
    )
  }
  await exchange({ method: 'POST', path: `${path}/complete`, body: null, request })
  const body = new FormData()
  for (const [name, value] of Object.entries(request.fields)) body.append(name, value)
  body.append('upload_id', textOf(upload, 'id'))
  const created = await exchange({ method: 'POST', path: '/ui/jobs', body, request })
  return textOf(created, 'id')
}

async function retried<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries === PART_TRIES) throw error
    }
  }
}

interface Exchange {
  readonly method: string
  readonly path: string
  readonly body: FormData | Blob | string | null
  readonly request: UploadRequest
  readonly onProgress?: OnProgress
}

function exchange({ method, path, body, request, onProgress }: Exchange): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest()
    call.open(method, path)
    call.setRequestHeader('X-CSRF-Token', request.csrfToken)
    if (typeof body === 'string') call.setRequestHeader('Content-Type', 'application/json')
    call.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / Math.max(1, event.total))
    })
    call.addEventListener('error', () =>
      reject(new Error('The connection broke. Is the server still there?')),
    )
    call.addEventListener('load', () => {
      if (call.status >= 200 && call.status < 300) resolve(parsed(call.responseText))
      else reject(new Error(explanation(call)))
    })
    call.send(body)
  })
}

function explanation(call: XMLHttpRequest): string {
  const problem = parsed(call.responseText)
  if (typeof problem !== 'object' || problem === null) return `The server answered ${call.status}.`
  const detail = 'detail' in problem && typeof problem.detail === 'string' ? problem.detail : null
  const title = 'title' in problem && typeof problem.title === 'string' ? problem.title : null
  return detail ?? title ?? `The server answered ${call.status}.`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An empty answer (204), or a page of a proxy in between: the status tells all there is.
    return null
  }
}

function textOf(value: unknown, name: string): string {
  const field: unknown = fieldOf(value, name)
  if (typeof field === 'string') return field
  throw new Error(`The server's answer lacks "${name}". Reload the page and try again.`)
}

function numberOf(value: unknown, name: string): number {
  const field: unknown = fieldOf(value, name)
  if (typeof field === 'number' && field > 0) return field
  throw new Error(`The server's answer lacks "${name}". Reload the page and try again.`)
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
