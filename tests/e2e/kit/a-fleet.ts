import { afterAll, beforeAll } from 'vitest'
import { Fleet } from './fleet.ts'
import type { Variables } from './server.ts'

/** An engine that vanished counts as there for three seconds; a retry comes at once. */
const SHORT: Variables = {
  DALSTON_HEARTBEAT_SECONDS: '0.3',
  DALSTON_SUSPECT_SECONDS: '1.5',
  DALSTON_OFFLINE_SECONDS: '3',
  DALSTON_LEASE_SECONDS: '4',
  DALSTON_LEASE_EXTEND_SECONDS: '1',
  DALSTON_OFFER_SECONDS: '2',
  DALSTON_RETRY_DELAY_SECONDS: '0.05',
}

/** A server for the tests of one `describe`, ended after them. */
export function aFleet(variables: Variables = {}): { readonly fleet: Fleet } {
  let fleet: Fleet | null = null
  beforeAll(async () => {
    fleet = await Fleet.start({ ...SHORT, ...variables })
  })
  afterAll(() => fleet?.stop())
  return {
    get fleet() {
      if (fleet === null) throw new Error('the fleet is there once the tests run')
      return fleet
    },
  }
}
