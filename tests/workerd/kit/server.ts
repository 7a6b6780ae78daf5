import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createTestHarness } from 'wrangler'
import type { Bindings } from '#control-plane/env.ts'
import { KEY_RANDOM_BYTES, newKey } from '#protocol/key.ts'
import { hashSecret } from '../../../control-plane/access/hmac.ts'

/** This repository's Worker in the real runtime, with D1, R2 and objects of its own: one a test file. */
export type Server = Awaited<ReturnType<typeof startServer>>

const ROOT = resolve(import.meta.dirname, '../../..')

/** `variables`: settings of the operator. */
export async function startServer(variables: Readonly<Record<string, string>> = {}) {
  const key = newKey('dk', randomBytes(KEY_RANDOM_BYTES))
  const tokenSecret = randomBytes(24).toString('hex')
  const secrets = { ADMIN_KEY: key, TOKEN_SECRET: tokenSecret, ...variables }
  // The runtime keeps its state under TMPDIR: in a folder of its own it can be looked at from outside, and removed.
  const folder = mkdtempSync(join(tmpdir(), 'dalston-workerd-'))
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  const harness = createTestHarness({ root: ROOT, workers: [{ configPath: 'wrangler.toml', secrets }] })
  const { url } = await harness.listen()
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  const worker = harness.getWorker<Bindings>()
  await worker.applyD1Migrations('DB')
  const env = await worker.getEnv()
  const close = async () => {
    await harness.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, key, tokenSecret, harness, worker, env, folder, close }
}

/** The files in which R2 keeps bytes, those of unfinished multipart uploads too, which no call lists. */
export function storedFiles(server: Server): string[] {
  const paths = readdirSync(server.folder, { recursive: true }).map(String)
  return paths.filter((path) => /[/\\]r2[/\\].*[/\\]blobs[/\\]/.test(path))
}

/** A key of another tenant, written where a first key of an installation would be. */
export async function keyOfTenant(server: Server, tenantId: string, pool = 'default'): Promise<string> {
  const key = newKey('dk', randomBytes(KEY_RANDOM_BYTES))
  const hash = await hashSecret(server.tokenSecret, key)
  await server.env.DB.prepare(
    `INSERT INTO keys (id, tenant_id, pool, name, hash, prefix, last_four, created_at_ms) VALUES (?, ?, ?, 'test', ?, 'dk_', '0000', 0)`,
  )
    .bind(`key_${tenantId}_${hash.slice(0, 8)}`, tenantId, pool, hash)
    .run()
  return key
}

export async function countRows(server: Server, table: string): Promise<number> {
  const row = await server.env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<{ n: number }>()
  return row?.n ?? 0
}

/** Keys of the objects under a prefix. */
export async function objectKeys(server: Server, prefix = ''): Promise<string[]> {
  const { objects } = await server.env.BUCKET.list({ prefix })
  return objects.map((object) => object.key)
}
