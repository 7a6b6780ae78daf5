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
/** A call between objects may come this late: until then a fence that ended here is remembered. */
export const OVER_MS = 600_000
/** An agent that has been away for a week is forgotten. */
export const FORGET_AGENT_MS = 7 * 86_400_000
/** After an offer that was declined: long enough that a busy agent is not asked in a circle. */
export const QUIET_MS = 2_000
