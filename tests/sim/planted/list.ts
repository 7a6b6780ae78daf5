import type { Product } from '../product.ts'
import { earlyAck } from './early-ack.ts'
import { forgottenEffect } from './forgotten-effect.ts'
import { forgottenOrderEnd } from './forgotten-order-end.ts'
import { grantedAgain } from './granted-again.ts'
import { leasesAtWake } from './leases-at-wake.ts'
import { olderFence } from './older-fence.ts'
import { toldOnce } from './told-once.ts'

export interface Planted {
  readonly what: string
  readonly product: Product
  /** The rule that it breaks. */
  readonly rule: string
}

export const PLANTED: readonly Planted[] = [
  { what: 'a Job accepts an older fence', product: olderFence, rule: 'I4' },
  { what: 'an unanswered effect is forgotten at a crash', product: forgottenEffect, rule: 'I11' },
  { what: 'the registry grants a fence again after a hand-back', product: grantedAgain, rule: 'I3' },
  { what: 'the registry acknowledges before the Job answered', product: earlyAck, rule: 'ack' },
  { what: 'leases end at a wake instead of beginning anew', product: leasesAtWake, rule: 'lease' },
  { what: 'an agent that comes back is not told its orders', product: toldOnce, rule: 'I13' },
  { what: 'final states of orders are forgotten at a load', product: forgottenOrderEnd, rule: 'I14' },
]
