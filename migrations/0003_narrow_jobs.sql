-- Each index of a job's row that a write touches is one more billed row: the table is its own key, and the status is indexed
-- only where few rows have it. is_open says pending or running; an end clears it.
ALTER TABLE jobs RENAME TO jobs_before;
--> statement-breakpoint
-- Written by the Job object (its own row), and by Worker once the job is deleted. Read by Worker (does it exist, whose is it,
-- lists). Deleted by nobody: a deleted job leaves its row as a tombstone without content.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL,
  pool TEXT NOT NULL,
  seq INTEGER NOT NULL,
  status TEXT NOT NULL,
  is_open INTEGER NOT NULL DEFAULT 1,
  summary TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  deleted_at_ms INTEGER
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO jobs (id, tenant_id, pool, seq, status, is_open, summary, created_at_ms, deleted_at_ms)
SELECT id, tenant_id, pool, seq, status, status IN ('pending', 'running'), summary, created_at_ms, deleted_at_ms
FROM jobs_before;
--> statement-breakpoint
DROP TABLE jobs_before;
--> statement-breakpoint
CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id DESC) WHERE deleted_at_ms IS NULL;
--> statement-breakpoint
CREATE INDEX jobs_open ON jobs (tenant_id, id DESC) WHERE is_open = 1;
--> statement-breakpoint
CREATE INDEX jobs_in_vain ON jobs (tenant_id, status, id DESC) WHERE status IN ('failed', 'cancelled') AND deleted_at_ms IS NULL;
