/** Intervals that nobody needs to set; those that an operator may set are in ../settings.ts. */

/** A socket that has not said hello by then is closed: it holds memory, and nobody knows what it is for. */
export const HELLO_MS = 10_000
/** A call between objects may come this late: until then a fence that ended here is remembered. */
export const OVER_MS = 600_000
/** An agent that has been away for a week is forgotten. */
export const FORGET_AGENT_MS = 7 * 86_400_000
export const FORGET_EVERY_MS = 3_600_000
/** After an offer that was declined: long enough that a busy agent is not asked in a circle. */
export const QUIET_MS = 2_000
/** The agent ends a run at its limit; the registry gives it up this much later, should the agent not have. */
export const RUN_GRACE_MS = 60_000
