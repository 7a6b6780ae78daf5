/**
 * Why R2 refused a call about a multipart upload, from the code at the end of its message (R2's error codes): `unknown`
 * there is no such upload (any more), `parts` the parts do not fit (a wrong tag, too small, unequal), null something else.
 */
export function multipartError(cause: unknown): 'unknown' | 'parts' | null {
  const code = cause instanceof Error ? /\((\d{5})\)/.exec(cause.message)?.[1] : undefined
  switch (code) {
    case '10024': // NoSuchUpload
      return 'unknown'
    case '10011': // EntityTooSmall
    case '10025': // InvalidPart
    case '10029': // bad part number or order
    case '10048': // parts of unequal size
      return 'parts'
    default:
      return null
  }
}
