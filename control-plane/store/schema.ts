import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** The tables of migrations/ as drizzle sees them; a test compares the two. Who writes what stands with the SQL. */
export const keys = sqliteTable('keys', {
  id: text('id').primaryKey(),
  tenantId: text('tenant_id').notNull(),
  pool: text('pool').notNull(),
  name: text('name').notNull(),
  hash: text('hash').notNull(),
  prefix: text('prefix').notNull(),
  lastFour: text('last_four').notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  revokedAtMs: integer('revoked_at_ms'),
})

export const jobs = sqliteTable('jobs', {
  id: text('id').primaryKey(),
  tenantId: text('tenant_id').notNull(),
  pool: text('pool').notNull(),
  seq: integer('seq').notNull(),
  status: text('status').notNull(),
  isOpen: integer('is_open').notNull(),
  summary: text('summary').notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  deletedAtMs: integer('deleted_at_ms'),
})

export const joinTokens = sqliteTable('join_tokens', {
  id: text('id').primaryKey(),
  tenantId: text('tenant_id').notNull(),
  pool: text('pool').notNull(),
  hash: text('hash').notNull(),
  prefix: text('prefix').notNull(),
  lastFour: text('last_four').notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  expiresAtMs: integer('expires_at_ms').notNull(),
  usedCount: integer('used_count').notNull(),
  revokedAtMs: integer('revoked_at_ms'),
})

export const agents = sqliteTable('agents', {
  id: text('id').primaryKey(),
  tenantId: text('tenant_id').notNull(),
  pool: text('pool').notNull(),
  name: text('name').notNull(),
  credentialHash: text('credential_hash').notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  revokedAtMs: integer('revoked_at_ms'),
  nextHash: text('next_hash'),
  nextAtMs: integer('next_at_ms'),
})

export const uploads = sqliteTable('uploads', {
  id: text('id').primaryKey(),
  tenantId: text('tenant_id').notNull(),
  pool: text('pool').notNull(),
  fileName: text('file_name').notNull(),
  sizeBytes: integer('size_bytes').notNull(),
  objectKey: text('object_key').notNull(),
  r2UploadId: text('r2_upload_id').notNull(),
  createdAtMs: integer('created_at_ms').notNull(),
  completedAtMs: integer('completed_at_ms'),
})

export const uploadParts = sqliteTable(
  'upload_parts',
  {
    uploadId: text('upload_id').notNull(),
    number: integer('number').notNull(),
    etag: text('etag').notNull(),
    sizeBytes: integer('size_bytes').notNull(),
  },
  (table) => [primaryKey({ columns: [table.uploadId, table.number] })],
)

export const signInLinks = sqliteTable('sign_in_links', {
  hash: text('hash').primaryKey(),
  keyId: text('key_id').notNull(),
  expiresAtMs: integer('expires_at_ms').notNull(),
})

export const consoleSessions = sqliteTable('console_sessions', {
  hash: text('hash').primaryKey(),
  keyId: text('key_id').notNull(),
  expiresAtMs: integer('expires_at_ms').notNull(),
})
