/**
 * The intervals that the server dictates to agents (hello is answered with them). The lease holds four extensions, so
 * that three may be lost; two missed heartbeats make an agent reconnect before it counts as suspect.
 */
export const HEARTBEAT_MS = 10_000
export const SUSPECT_MS = 30_000
export const OFFLINE_MS = 60_000
export const LEASE_MS = 30_000
export const LEASE_EXTEND_MS = 7_500
export const OFFER_MS = 5_000
export const START_MS = 15_000
export const RESULT_ACK_MS = 5_000
/** After an offer that was declined or missed: long enough that a busy agent is not asked in a circle. */
export const QUIET_MS = 2_000
