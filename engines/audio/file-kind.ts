import { isWav } from './wav-header.ts'

/** What a file is by its first bytes. Pure. A name is believed only for headerless samples, which have no first bytes. */
export type FileKind =
  | { readonly type: 'empty' }
  | { readonly type: 'wav' }
  | { readonly type: 'raw' }
  | { readonly type: 'playlist' }
  | { readonly type: 'not_audio'; readonly what: string }
  /** Something that a decoder may know. */
  | { readonly type: 'other' }

/** How much of the file `fileKind` wants to see. */
export const HEAD_BYTES = 4096

/** A playlist names other files and addresses: opening one would read what the caller may not. */
const PLAYLIST =
  /^(\xef\xbb\xbf)?\s*(#EXTM3U|#EXTINF|\[playlist\]|ffconcat|concat:|v=0\r?\no=|<(\?xml[^>]*\?>\s*<)?(MPD|smil|playlist|asx)\b)/i

const MAGIC: readonly { readonly bytes: readonly number[]; readonly what: string }[] = [
  { bytes: [0x89, 0x50, 0x4e, 0x47], what: 'a PNG image' },
  { bytes: [0xff, 0xd8, 0xff], what: 'a JPEG image' },
  { bytes: [0x47, 0x49, 0x46, 0x38], what: 'a GIF image' },
  { bytes: [0x25, 0x50, 0x44, 0x46], what: 'a PDF document' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], what: 'a ZIP archive or an office document' },
  { bytes: [0x1f, 0x8b, 0x08], what: 'a gzip archive' },
]

const CONTAINERS: readonly string[] = [
  'fLaC',
  'OggS',
  'ID3',
  'RIFF',
  'FORM',
  'caff',
  '.snd',
  '\x1aE\xdf\xa3',
  '#!AMR',
]

/** Names of headerless samples: 16 kHz, mono, s16le. */
const RAW_NAME = /\.(s16|s16le|pcm|raw)$/i

export function fileKind(head: Uint8Array, fileName: string | null): FileKind {
  if (head.length === 0) return { type: 'empty' }
  if (isWav(head)) return { type: 'wav' }
  if (PLAYLIST.test(latin1(head))) return { type: 'playlist' }
  if (isText(head)) return { type: 'not_audio', what: 'text' }
  const known = MAGIC.find((magic) => magic.bytes.every((byte, index) => head[index] === byte))
  if (known !== undefined) return { type: 'not_audio', what: known.what }
  if (fileName !== null && RAW_NAME.test(fileName) && !isContainer(head)) return { type: 'raw' }
  return { type: 'other' }
}

function isContainer(head: Uint8Array): boolean {
  const start = latin1(head.subarray(0, 12))
  return CONTAINERS.some((magic) => start.startsWith(magic)) || start.slice(4, 8) === 'ftyp'
}

/** A character a byte. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** No byte that no text has, and UTF-8; a character cut at the end of the head is allowed. */
function isText(head: Uint8Array): boolean {
  for (const byte of head) {
    if (byte < 9 || (byte > 13 && byte < 32 && byte !== 27) || byte === 127) return false
  }
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(head, { stream: true })
    return true
  } catch {
    // Not UTF-8: bytes above 127 without order are sound or an image, not text.
    return false
  }
}
