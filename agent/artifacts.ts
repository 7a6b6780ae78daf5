import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { EngineError } from '#engines/engine.ts'
import type { Artifact } from '#protocol/task.ts'
import { type BackoffLimits, backoffMs, retryAfterMs } from './backoff.ts'
import { sentenceOf } from './log.ts'

/**
 * The bytes of a task, over HTTPS through the Worker, never through the socket. Everything streams; a dropped download
 * goes on where it broke, a dropped part is sent again. Each try asks for the newest token.
 */
export interface TransferOptions {
  readonly server: string
  readonly token: () => string
  readonly signal: AbortSignal
  readonly dispatcher: Dispatcher
  readonly partSizeBytes: number
  readonly random: () => number
  readonly limits: BackoffLimits
}

/** About a minute of trying: longer than a restart of the server, shorter than anyone waits for a bar to move. */
const TRIES = 8
/** A peer that sends nothing for so long is gone. */
const SILENCE_MS = 30_000

export class Artifacts {
  readonly #options: TransferOptions

  constructor(options: TransferOptions) {
    this.#options = options
  }

  /** Writes the artifact to `path`. Throws `EngineError`. */
  async download(artifact: Artifact, path: string): Promise<void> {
    await this.#retry('input', async () => {
      const haveBytes = await sizeOf(path)
      if (haveBytes === artifact.size_bytes && haveBytes > 0) return
      const from = haveBytes < artifact.size_bytes ? haveBytes : 0
      const answer = await this.#request(artifact.key, {
        method: 'GET',
        ...(from > 0 && { headers: { range: `bytes=${from}-` } }),
      })
      // A server that ignores the range sends the whole again.
      const start = answer.statusCode === 206 ? from : 0
      const file = createWriteStream(path, { flags: start > 0 ? 'a' : 'w', mode: 0o600 })
      await pipeline(answer.body, file, { signal: this.#options.signal })
      const gotBytes = await sizeOf(path)
      if (gotBytes !== artifact.size_bytes)
        throw new Error(`expected ${artifact.size_bytes} bytes of ${artifact.name}, got ${gotBytes}`)
    })
  }

  /** Sends a file whole, or in equal parts when it is larger than one. Throws `EngineError`. */
  async upload(key: string, path: string, sizeBytes: number, contentType: string): Promise<void> {
    if (sizeBytes <= this.#options.partSizeBytes) {
      await this.#retry('output', () => this.#put(key, path, 0, sizeBytes, contentType))
      return
    }
    const uploadId = await this.#retry('output', async () => {
      const answer = await this.#request(`${key}?uploads`, {
        method: 'POST',
        headers: { 'content-type': contentType },
      })
      return UploadStarted.parse(await answer.body.json()).upload_id
    })
    try {
      await this.#uploadParts(key, path, sizeBytes, uploadId)
    } catch (error) {
      // What was sent must not stay behind; if this fails too, the bucket's own rule ends the upload.
      await this.#request(
        `${key}?upload_id=${encodeURIComponent(uploadId)}`,
        { method: 'DELETE' },
        false,
      ).catch(() => {})
      throw error
    }
  }

  async #uploadParts(key: string, path: string, sizeBytes: number, uploadId: string): Promise<void> {
    const upload = `${key}?upload_id=${encodeURIComponent(uploadId)}`
    const { partSizeBytes } = this.#options
    const parts: z.infer<typeof UploadedPart>[] = []
    for (let start = 0; start < sizeBytes; start += partSizeBytes) {
      const part = parts.length + 1
      const length = Math.min(partSizeBytes, sizeBytes - start)
      parts.push(
        await this.#retry('output', async () => {
          const answer = await this.#put(
            `${upload}&part=${part}`,
            path,
            start,
            length,
            'application/octet-stream',
          )
          return UploadedPart.parse(answer)
        }),
      )
    }
    await this.#retry('output', async () => {
      const answer = await this.#request(`${upload}&complete`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ parts }),
      })
      await answer.body.dump()
    })
  }

  async #put(
    target: string,
    path: string,
    start: number,
    length: number,
    contentType: string,
  ): Promise<unknown> {
    const body = length === 0 ? '' : createReadStream(path, { start, end: start + length - 1 })
    const answer = await this.#request(target, {
      method: 'PUT',
      headers: { 'content-type': contentType, 'content-length': String(length) },
      body,
    })
    return answer.body.json()
  }

  /** A 2xx answer, or an exception that says whether another try makes sense. */
  async #request(
    target: string,
    options: Pick<Dispatcher.RequestOptions, 'method' | 'body' | 'headers'>,
    abortable = true,
  ): Promise<Dispatcher.ResponseData> {
    const { server, token, signal, dispatcher } = this.#options
    const answer = await request(`${server}/agent/v1/artifacts/${target}`, {
      ...options,
      headers: { ...options.headers, authorization: `Bearer ${token()}` },
      dispatcher,
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      ...(abortable && { signal }),
    })
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
    await answer.body.dump()
    throw new StatusError(
      answer.statusCode,
      retryAfterMs(answer.headers['retry-after']?.toString(), Date.now()),
    )
  }

  async #retry<T>(what: 'input' | 'output', once: () => Promise<T>): Promise<T> {
    const { signal, random, limits } = this.#options
    for (let tries = 0; ; tries++) {
      try {
        return await once()
      } catch (error) {
        signal.throwIfAborted()
        const status = error instanceof StatusError ? error : null
        if (status?.isFinal) throw transferError(what, error, false)
        if (isDiskFull(error))
          throw new EngineError({
            code: 'disk_full',
            message: 'The disk of the agent is full.',
            retryable: true,
          })
        if (tries + 1 >= TRIES) throw transferError(what, error, true)
        await sleep(backoffMs(tries, random(), limits, status?.retryAfterMs ?? null), undefined, {
          signal,
        }).catch(() => {
          signal.throwIfAborted()
        })
      }
    }
  }
}

class StatusError extends Error {
  readonly status: number
  readonly retryAfterMs: number | null

  constructor(status: number, retryAfter: number | null) {
    super(`the server answered ${status}`)
    this.status = status
    this.retryAfterMs = retryAfter
  }

  /** 401 and 403 are not: the next lease brings a new token. 416: the next try begins anew. */
  get isFinal(): boolean {
    return this.status === 404 || this.status === 410 || this.status === 413
  }
}

function transferError(what: 'input' | 'output', cause: unknown, retryable: boolean): EngineError {
  const message = `The ${what} could not be transferred: ${sentenceOf(cause)}`
  const code = retryable ? `${what}_transfer_failed` : `${what}_refused`
  return new EngineError({ code, message, retryable }, { cause })
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOSPC'
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0
}

const UploadStarted = z.object({ upload_id: z.string().min(1) })
const UploadedPart = z.object({ part: z.int().min(1), etag: z.string().min(1) })
