import type * as worker from './worker.ts'

/** Tells `ctx.exports` what this Worker exports. */
declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof worker
    }
  }
}
