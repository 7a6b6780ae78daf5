/** What a hub's headers say of a file. Pure; names are in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/**
 * `x-linked-*` describe the file itself where the answer is a redirect to where it is stored; without them the answer's own
 * length and etag do. The linked etag of a file in large storage is its sha256.
 */
export interface FileFacts {
  readonly sizeBytes: number | null
  readonly etag: string | null
  readonly sha256: string | null
  readonly commit: string | null
}

export const NO_FACTS: FileFacts = { sizeBytes: null, etag: null, sha256: null, commit: null }

/** `isFile`: the answer is the file, not a redirect, so that its own length is the file's. */
export function factsOf(headers: Headers, isFile: boolean): FileFacts {
  const linked = text(headers, 'x-linked-etag')
  const etag = plainEtag(linked ?? (isFile ? text(headers, 'etag') : null))
  const size = text(headers, 'x-linked-size') ?? (isFile ? text(headers, 'content-length') : null)
  return {
    sizeBytes: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : null,
    etag,
    sha256: etag !== null && /^[0-9a-f]{64}$/.test(etag) ? etag : null,
    commit: text(headers, 'x-repo-commit'),
  }
}

/** What the first of two answers said counts: it is the hub's own. */
export function merged(first: FileFacts, second: FileFacts): FileFacts {
  return {
    sizeBytes: first.sizeBytes ?? second.sizeBytes,
    etag: first.etag ?? second.etag,
    sha256: first.sha256 ?? second.sha256,
    commit: first.commit ?? second.commit,
  }
}

export interface ContentRange {
  readonly start: number
  readonly sizeBytes: number | null
}

/** `bytes 5-9/10`; null when it is not that. */
export function contentRange(headers: Headers): ContentRange | null {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(text(headers, 'content-range') ?? '')
  if (match === null) return null
  return { start: Number(match[1]), sizeBytes: match[2] === '*' ? null : Number(match[2]) }
}

/** An etag that `If-Range` may carry: a weak one says nothing of bytes. */
export function strongEtag(headers: Headers): string | null {
  const etag = text(headers, 'etag')
  return etag === null || etag.startsWith('W/') ? null : etag
}

export function isHtml(headers: Headers): boolean {
  return /^(text\/html|application\/xhtml)/i.test(text(headers, 'content-type') ?? '')
}

export function text(headers: Headers, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

function plainEtag(etag: string | null): string | null {
  return etag === null ? null : etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1')
}
