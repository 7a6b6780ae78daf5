/**
 * Which models lie in the memory of this agent's engine children, and what they take there. Pure: it names no process and
 * no clock; `place.ts` and `room.ts` decide over it, `residents.ts` does what they say.
 */
export interface Residency {
  readonly budget: Budget
  readonly residents: readonly Resident[]
}

/** What models may take together. `vramMib: null`: nobody said, so it is not counted. */
export interface Budget {
  readonly memoryMib: number
  readonly vramMib: number | null
}

/** What one model takes: measured where it was loaded before, else what the catalog says. */
export interface Needs {
  readonly memoryMib: number
  readonly vramMib: number
}

/** A model of one child. The same model may lie in two: they run two tasks at once. */
export interface Resident extends Place {
  readonly needs: Needs
  /** How long it stays without work; Infinity is for ever. */
  readonly keepAliveMs: number
  readonly phase: Phase
}

export interface Place {
  readonly laneId: number
  readonly modelId: string
  /** What it was loaded from: other files make it another one, whatever it is called. */
  readonly identity: string
}

/** What the files of a model are now; null: they are not here. */
export type IdentityOf = (modelId: string) => string | null

export type Phase =
  /** It counts from the moment that somebody decided on it. */
  | { readonly kind: 'loading' }
  | { readonly kind: 'in_use' }
  | { readonly kind: 'idle'; readonly sinceMs: number; readonly untilMs: number }
  /** It counts until it is gone. */
  | { readonly kind: 'unloading' }

export type IdleResident = Resident & { readonly phase: Extract<Phase, { kind: 'idle' }> }

export function newResidency(budget: Budget): Residency {
  return { budget, residents: [] }
}

export function claimed(residency: Residency, resident: Omit<Resident, 'phase'>): Residency {
  return { ...residency, residents: [...residency.residents, { ...resident, phase: { kind: 'loading' } }] }
}

export function measured(residency: Residency, place: Place, memoryMib: number): Residency {
  return changed(residency, place, (one) => ({ ...one, needs: { ...one.needs, memoryMib } }))
}

export function used(residency: Residency, place: Place): Residency {
  return changed(residency, place, (one) => ({ ...one, phase: { kind: 'in_use' } }))
}

/** Its work is done: it stays for its keep-alive, or for `leastMs` where that is longer. */
export function rested(residency: Residency, place: Place, nowMs: number, leastMs = 0): Residency {
  return changed(residency, place, (one) => {
    const untilMs = nowMs + Math.max(one.keepAliveMs, leastMs)
    return { ...one, phase: { kind: 'idle', sinceMs: nowMs, untilMs } }
  })
}

/** A prefetch of what lies there already: its new keep-alive counts from now, in use or not. */
export function prolonged(
  residency: Residency,
  { id, identity }: { readonly id: string; readonly identity: string },
  keep: { readonly keepAliveMs: number; readonly leastMs: number; readonly nowMs: number },
): Residency {
  const untilMs = keep.nowMs + Math.max(keep.keepAliveMs, keep.leastMs)
  const longer = (one: Resident): Resident => {
    if (one.modelId !== id || one.identity !== identity) return one
    const keepAliveMs = Math.max(one.keepAliveMs, keep.keepAliveMs)
    if (one.phase.kind !== 'idle') return { ...one, keepAliveMs }
    return { ...one, keepAliveMs, phase: { ...one.phase, untilMs: Math.max(one.phase.untilMs, untilMs) } }
  }
  return { ...residency, residents: residency.residents.map(longer) }
}

export function leaving(residency: Residency, place: Place): Residency {
  return changed(residency, place, (one) => ({ ...one, phase: { kind: 'unloading' } }))
}

export function dropped(residency: Residency, place: Place): Residency {
  return { ...residency, residents: residency.residents.filter((one) => !isAt(one, place)) }
}

/** The child is gone, and its models with it. What loads there hears of it as the answer to its load. */
export function laneDropped(residency: Residency, laneId: number): Residency {
  const stays = (one: Resident) => one.laneId !== laneId || one.phase.kind === 'loading'
  return { ...residency, residents: residency.residents.filter(stays) }
}

export function idleOnes(residency: Residency): IdleResident[] {
  return residency.residents.filter((one): one is IdleResident => one.phase.kind === 'idle')
}

/** Models that a task could run with: none that was replaced meanwhile. */
export function loadedModels(residency: Residency, identityOf: IdentityOf): ReadonlySet<string> {
  const loaded = residency.residents.filter(isReady)
  return new Set(
    loaded.flatMap(({ modelId, identity }) => (identityOf(modelId) === identity ? [modelId] : [])),
  )
}

/** Whether a task could run with it. */
export function isLoaded(
  { residents }: Residency,
  { id, identity }: { readonly id: string; readonly identity: string },
): boolean {
  return residents.some((one) => isReady(one) && one.modelId === id && one.identity === identity)
}

function isReady({ phase }: Resident): boolean {
  return phase.kind === 'idle' || phase.kind === 'in_use'
}

function changed(residency: Residency, place: Place, change: (one: Resident) => Resident): Residency {
  return { ...residency, residents: residency.residents.map((one) => (isAt(one, place) ? change(one) : one)) }
}

function isAt(one: Resident, { laneId, modelId, identity }: Place): boolean {
  return one.laneId === laneId && one.modelId === modelId && one.identity === identity
}
