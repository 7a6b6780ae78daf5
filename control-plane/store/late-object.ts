import type { JobId } from '#protocol/ids.ts'
import { isBuried } from './jobs.ts'

/**
 * Takes an object away again that appeared after its job was deleted, and says whether it did. The look comes after the
 * write: whichever of the two is last, the job's deletion or this, sees the other.
 */
export async function dropLateObject(
  db: D1Database,
  bucket: R2Bucket,
  jobId: JobId,
  key: string,
): Promise<boolean> {
  // A database that is away must not fail the work of jobs that are there: then the object stays.
  const isLate = await isBuried(db, jobId).catch(() => false)
  if (isLate) await bucket.delete(key)
  return isLate
}
