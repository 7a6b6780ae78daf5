/**
 * Takes an object away again that appeared after its job was deleted, and says whether it did. The look comes after the
 * write: whichever of the two is last, the job's deletion or this, sees the other.
 */
export async function dropLateObject(
  job: { isGone(): Promise<boolean> },
  bucket: R2Bucket,
  key: string,
): Promise<boolean> {
  // A job that does not answer must not fail its own work: then the object stays.
  const isLate = await job.isGone().catch(() => false)
  if (isLate) await bucket.delete(key)
  return isLate
}
