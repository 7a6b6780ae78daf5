import { open } from 'node:fs/promises'
import { audioError } from './audio-error.ts'
import { decodeRaw, decodeWav } from './built-in-decoder.ts'
import type { DecodeRequest, DecoderName, Decoding } from './decoding.ts'
import { decodeWithFfmpeg, findFfmpeg } from './ffmpeg-decoder.ts'
import { type FileKind, fileKind, HEAD_BYTES } from './file-kind.ts'
import { decodeWithNodeAv, loadNodeAv } from './node-av-decoder.ts'

export interface Decoders {
  /** Which may be used; the order is fixed: built in, ffmpeg, node-av. */
  readonly allowed: readonly DecoderName[]
  /** Where ffmpeg is looked for: a PATH. */
  readonly searchPath: string | undefined
}

/**
 * Opens a file for decoding: by its content, never by its name (but for headerless samples). Throws an `EngineError`
 * that says what the file is, or what to install.
 */
export async function decodeAudio(request: DecodeRequest, decoders: Decoders): Promise<Decoding> {
  const kind = fileKind(await headOf(request.path), request.fileName)
  refuse(kind)
  const builtIn = decoders.allowed.includes('built_in')
  if (kind.type === 'raw' && builtIn) return decodeRaw(request)
  const wav = kind.type === 'wav' && builtIn ? await decodeWav(request) : null
  if (wav !== null) return wav
  const ffmpeg = decoders.allowed.includes('ffmpeg') ? findFfmpeg(decoders.searchPath) : null
  if (ffmpeg !== null) return decodeWithFfmpeg(ffmpeg, request)
  const nodeAv = decoders.allowed.includes('node_av') ? await loadNodeAv() : null
  if (nodeAv !== null) return decodeWithNodeAv(nodeAv, request)
  throw audioError(
    'decoder_missing',
    'This file is no plain WAV, and the machine that runs prepare has no decoder for it. Install ffmpeg there so that it is on PATH (Debian: apt install ffmpeg; macOS: brew install ffmpeg), or run npm install node-av@6.1.1 (GPL), or send 16 bit WAV.',
  )
}

function refuse(kind: FileKind): void {
  if (kind.type === 'empty') throw audioError('empty_file', 'The file is empty (0 bytes).')
  if (kind.type === 'playlist')
    throw audioError(
      'playlist_refused',
      'The file is a playlist, which only names other files. Send the recording itself.',
    )
  if (kind.type === 'not_audio')
    throw audioError(
      'not_audio',
      `The file is ${kind.what}, whatever its name says. Send a recording such as WAV, MP3 or M4A.`,
    )
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
