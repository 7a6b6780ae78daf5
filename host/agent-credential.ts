import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** What the agent keeps; only the address is looked at here. */
const StoredCredential = z.looseObject({ server: z.string() })

/**
 * The local agent's credential names the address that it was made at, and a server on the same data may come back at another
 * port. It is still that server: without this the agent would join anew, and the old one stay in the list as offline.
 */
export function moveCredential(agentPath: string, server: string): void {
  const path = join(agentPath, 'credential.json')
  let stored: z.infer<typeof StoredCredential>
  try {
    stored = StoredCredential.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return // no agent was here yet, or what it left cannot be read: it joins with its token
  }
  if (stored.server === server) return
  writeFileSync(`${path}.moved`, `${JSON.stringify({ ...stored, server })}\n`, { mode: 0o600 })
  renameSync(`${path}.moved`, path)
}
