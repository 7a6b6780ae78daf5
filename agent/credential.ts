import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Joined } from '#protocol/api.ts'

/**
 * The agent's own secret. A join token buys it once; it lies in the data folder, readable by its owner only, and belongs
 * to the server that gave it. It is never logged and never reaches an engine child.
 */
const StoredCredential = Joined.extend({
  server: z.string(),
  /** 0: nobody noted it, so it counts as old. */
  issued_at_ms: z.int().min(0).default(0),
  /** The one before, until the server has taken this one. */
  previous: z.string().nullable().default(null),
})
export type Credential = z.infer<typeof StoredCredential>

/** The credential for this server; null when there is none, or one of another server, or one that cannot be read. */
export async function readCredential(dataFolder: string, server: string): Promise<Credential | null> {
  let text: string
  try {
    text = await readFile(join(dataFolder, FILE_NAME), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  const stored = StoredCredential.safeParse(parseJson(text))
  return stored.success && stored.data.server === server ? stored.data : null
}

/**
 * Writes it with mode 0600 from its first byte, whole or not at all. When this resolves it outlives a power cut: the
 * server may forget the one before as soon as this one is used.
 */
export async function writeCredential(dataFolder: string, credential: Credential): Promise<void> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const path = join(dataFolder, FILE_NAME)
  const draft = `${path}.${process.pid}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    // A file left over from before keeps its old mode when it is opened.
    await file.chmod(0o600)
    await file.writeFile(`${JSON.stringify(credential)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  if (process.platform === 'win32') return // folders cannot be opened there
  const folder = await open(dataFolder)
  await folder.sync().finally(() => folder.close())
}

const FILE_NAME = 'credential.json'

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Cut short by a full disk, or not ours: the same as none.
    return null
  }
}
