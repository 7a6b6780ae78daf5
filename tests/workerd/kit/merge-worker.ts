import { DurableObject } from 'cloudflare:workers'

/** A Worker that is nothing but the entrypoint Merge. */
export { Merge as default } from '../../../control-plane/merge.ts'

/** Every job is there. */
export class Job extends DurableObject {
  async isGone(): Promise<boolean> {
    return false
  }
}
