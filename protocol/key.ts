/**
 * Keys as people paste them: `<prefix>_<random><checksum>`. The checksum finds a typing error or a cut line before any
 * table is asked, and the prefix tells secret scanners what they found. Pure: randomness comes as an argument, and
 * nothing here knows which keys exist.
 */

/** dk: API key of a person or program. dj: join token for new agents. da: credential of one agent. */
export const KEY_PREFIXES = ['dk', 'dj', 'da'] as const
export type KeyPrefix = (typeof KEY_PREFIXES)[number]

/** 160 bits: beyond guessing, so a fast hash is enough to store a key. */
export const KEY_RANDOM_BYTES = 20

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 62^27 is the first power above 2^160; 62^6 the first above 2^32. */
const RANDOM_LENGTH = 27
const CHECKSUM_LENGTH = 6
const SHAPE = new RegExp(`^(${KEY_PREFIXES.join('|')})_[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}$`)

/**
 * A new key. `randomBytes` are KEY_RANDOM_BYTES bytes from a cryptographic source.
 * @throws RangeError when there are fewer.
 */
export function newKey(prefix: KeyPrefix, randomBytes: Uint8Array): string {
  if (randomBytes.length < KEY_RANDOM_BYTES) {
    throw new RangeError(`expected ${KEY_RANDOM_BYTES} random bytes, got ${randomBytes.length}`)
  }
  let value = 0n
  for (const byte of randomBytes.subarray(0, KEY_RANDOM_BYTES)) value = value * 256n + BigInt(byte)
  const body = `${prefix}_${base62(value, RANDOM_LENGTH)}`
  return `${body}${checksum(body)}`
}

/** The prefix of a well-formed key whose checksum holds, else null. */
export function keyPrefix(key: string): KeyPrefix | null {
  if (!SHAPE.test(key)) return null
  const body = key.slice(0, -CHECKSUM_LENGTH)
  if (checksum(body) !== key.slice(-CHECKSUM_LENGTH)) return null
  return KEY_PREFIXES.find((prefix) => key.startsWith(`${prefix}_`)) ?? null
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_LENGTH)
}

function base62(value: bigint, length: number): string {
  let digits = ''
  for (let rest = value; digits.length < length; rest /= 62n)
    digits = `${BASE62[Number(rest % 62n)]}${digits}`
  return digits
}

/** CRC-32 (ISO-HDLC, as in zip and gzip) of ASCII text. */
function crc32(text: string): number {
  let crc = 0xffffffff
  for (let index = 0; index < text.length; index++) {
    crc ^= text.charCodeAt(index)
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
