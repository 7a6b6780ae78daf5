/** Dollars of what Cloudflare bills beyond what is included (its pages durable-objects, d1, r2, workers: platform/pricing). */
const MILLION = 1_000_000
export const ROW_WRITTEN = 1 / MILLION
export const ROW_READ = 0.001 / MILLION
export const OBJECT_REQUEST = 0.15 / MILLION
/** An object is billed as 128 MB for as long as it is awake. */
export const AWAKE_SECOND = (12.5 / MILLION) * 0.128
export const WORKER_REQUEST = 0.3 / MILLION
export const R2_WRITE = 4.5 / MILLION
export const R2_READ = 0.36 / MILLION
