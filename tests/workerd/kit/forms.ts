/** Multipart bodies by hand: what fetch would never send. */
export const BOUNDARY = '----dalston7MA4YWxkTrZu0gW'
export const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`

export interface Part {
  readonly name: string
  readonly fileName?: string
  readonly body: string | Uint8Array
}

export function formBytes(parts: readonly Part[], end = '--\r\n'): Uint8Array<ArrayBuffer> {
  const pieces = parts.flatMap(({ name, fileName, body }) => {
    const file = fileName === undefined ? '' : `; filename="${fileName}"`
    return [`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`, body, '\r\n']
  })
  return new Uint8Array(Buffer.concat([...pieces, `--${BOUNDARY}${end}`].map((piece) => Buffer.from(piece))))
}

export function fileOf(body: string | Uint8Array = 'RIFF…'): Part {
  return { name: 'file', fileName: 'call.wav', body }
}
