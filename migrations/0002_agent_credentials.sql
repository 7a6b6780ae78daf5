ALTER TABLE join_tokens RENAME TO join_tokens_before;
--> statement-breakpoint
-- Written by Worker (POST /v1/agents/tokens; an agent joins: used_count; revoked). Read by Worker (an agent joins, lists).
-- Deleted by Worker (over for a week, when another is written).
CREATE TABLE join_tokens (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  last_four TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  used_count INTEGER NOT NULL,
  revoked_at_ms INTEGER
);
--> statement-breakpoint
-- Tokens of before have no id: hexadecimal digits are all letters of an id's alphabet.
INSERT INTO join_tokens (id, tenant_id, pool, hash, prefix, last_four, created_at_ms, expires_at_ms, used_count)
SELECT 'token_' || lower(hex(randomblob(13))), tenant_id, pool, hash, '', '', created_at_ms, expires_at_ms, 0
FROM join_tokens_before;
--> statement-breakpoint
DROP TABLE join_tokens_before;
--> statement-breakpoint
CREATE INDEX join_tokens_by_tenant ON join_tokens (tenant_id, id DESC);
--> statement-breakpoint
-- A credential that was asked for and not used yet; from its first use on it is credential_hash.
ALTER TABLE agents ADD COLUMN next_hash TEXT;
--> statement-breakpoint
ALTER TABLE agents ADD COLUMN next_at_ms INTEGER;
--> statement-breakpoint
CREATE UNIQUE INDEX agents_by_next_hash ON agents (next_hash);
--> statement-breakpoint
CREATE INDEX agents_by_tenant ON agents (tenant_id, pool) WHERE revoked_at_ms IS NULL;
