-- Written by Worker (first use of an ADMIN_KEY, which takes the row of the one before). Read by Worker (every request with a
-- key). Deleted by nobody: revoked instead.
CREATE TABLE keys (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  last_four TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
);
--> statement-breakpoint
-- Written by the Job object (its own row), and by Worker once the job is deleted. Read by Worker (does it exist, whose is it,
-- lists). Deleted by nobody: a deleted job leaves its row as a tombstone without content.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  seq INTEGER NOT NULL,
  status TEXT NOT NULL,
  summary TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  deleted_at_ms INTEGER
);
--> statement-breakpoint
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id DESC) WHERE deleted_at_ms IS NULL;
--> statement-breakpoint
CREATE INDEX jobs_by_status ON jobs (tenant_id, status, id DESC) WHERE deleted_at_ms IS NULL;
--> statement-breakpoint
-- Written by Worker (POST /v1/agents/tokens). Read by Worker (an agent joins). Deleted by Worker (over, when
-- another is written).
CREATE TABLE join_tokens (
  hash TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
);
--> statement-breakpoint
-- Written by Worker (an agent joins). Read by Worker (an agent connects). Deleted by nobody: revoked instead.
CREATE TABLE agents (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  name TEXT NOT NULL,
  credential_hash TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
);
--> statement-breakpoint
-- Written by Worker (uploads in parts). Read by Worker (parts, submit). Deleted by Worker (given up, deleted with its job, or
-- a day old when another upload begins).
CREATE TABLE uploads (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  file_name TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  object_key TEXT NOT NULL,
  r2_upload_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  completed_at_ms INTEGER
);
--> statement-breakpoint
-- Written by Worker (one row a received part). Read by Worker (what is missing, completion). Deleted with its upload.
CREATE TABLE upload_parts (
  upload_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  etag TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (upload_id, number)
);
--> statement-breakpoint
-- Written by Worker (POST /v1/console/links). Read by Worker (the link is followed). Deleted by Worker (followed: once; over,
-- when another is written; its key was replaced).
CREATE TABLE sign_in_links (
  hash TEXT PRIMARY KEY NOT NULL,
  key_id TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
);
--> statement-breakpoint
-- Written by Worker (sign-in). Read by Worker (every console request). Deleted by Worker (sign-out; over, when another is
-- written; its key was replaced).
CREATE TABLE console_sessions (
  hash TEXT PRIMARY KEY NOT NULL,
  key_id TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
);
