import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { UsageError } from './exit-codes.ts'

/** parseArgs, whose complaints are ours: exit 2 with the sentence. Positionals are allowed. */
export function parseParameters<T extends ParseArgsOptionsConfig>(parameters: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...parameters], options, allowPositionals: true, strict: true })
  } catch (error) {
    // Node adds advice about positionals to the sentence that matters.
    const [sentence] = (error instanceof Error ? error.message : String(error)).split('. To specify')
    throw new UsageError(sentence ?? '', { cause: error })
  }
}

/** One of a fixed list. */
export function choice<T extends string>(
  flag: string,
  text: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (text === undefined) return undefined
  const found = allowed.find((each) => each === text)
  if (found === undefined) throw new UsageError(`${flag}: expected ${allowed.join(', ')}, got ${text}`)
  return found
}

export function wholeNumber(
  flag: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new UsageError(`${flag}: expected a whole number from ${min} to ${max}, got ${text}`)
  }
  return value
}

/** Exactly these positionals. */
export function exactly(positionals: readonly string[], ...names: readonly string[]): string[] {
  const missing = names[positionals.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = positionals[names.length]
  if (extra !== undefined) throw new UsageError(`unexpected argument: ${extra}`)
  return [...positionals]
}

/** Flags of every command that talks to a server. */
export const SERVER_OPTIONS = { server: { type: 'string' } } as const
export const JSON_OPTION = { json: { type: 'boolean', default: false } } as const
