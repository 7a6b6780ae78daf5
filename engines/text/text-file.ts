import { readFile, stat } from 'node:fs/promises'

/** Why a file is not the text that was expected: a part of a sentence that begins with the file's name. */
export class TextFileError extends Error {
  override name = 'TextFileError'
}

/**
 * The text of a file that others made, without a byte order mark; null where there is none. A link is followed. What is no
 * regular file (a read of a pipe or a device may never end), what is longer than `mostBytes`, and what is no UTF-8 (whose
 * letters would silently be others) is a `TextFileError`.
 */
export async function readTextFile(path: string, mostBytes: number): Promise<string | null> {
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new TextFileError('is no file')
    if (found.size > mostBytes)
      throw new TextFileError(`has ${found.size} bytes, expected at most ${mostBytes}`)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(await readFile(path))
  } catch (error) {
    if (error instanceof TextFileError) throw error
    if (error instanceof TypeError) throw new TextFileError('is no UTF-8 text', { cause: error })
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    const said = error instanceof Error ? error.message : String(error)
    throw new TextFileError(`cannot be read: ${said}`, { cause: error })
  }
}
