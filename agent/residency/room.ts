import {
  type IdentityOf,
  type IdleResident,
  idleOnes,
  type Needs,
  type Residency,
  type Resident,
} from './residency.ts'

/** What leaves the memory, and when. Pure. */
export type IsPinned = (modelId: string) => boolean

export type Room =
  /** It fits once these are gone. */
  | { readonly kind: 'fits'; readonly evict: readonly IdleResident[] }
  /** What is in use takes too much of the budget just now. */
  | { readonly kind: 'taken' }
  /** More than the whole budget. */
  | { readonly kind: 'never' }

/** Room for one more model: the longest unused goes first, what is in use never, pinned ones when nothing else is left. */
export function roomFor(
  needs: Needs,
  residency: Residency,
  pins: { readonly isPinned: IsPinned; readonly mayLeave: boolean },
): Room {
  if (!isWithin(needs, residency)) return { kind: 'never' }
  const mayLeave = leastRecentlyUsed(residency, pins.isPinned).filter(
    ({ modelId }) => pins.mayLeave || !pins.isPinned(modelId),
  )
  const evict: IdleResident[] = []
  for (;;) {
    const staying = residency.residents.filter((one) => !evict.some((gone) => gone === one))
    if (isWithin(sum([needs, ...staying.map((one) => one.needs)]), residency)) return { kind: 'fits', evict }
    const next = mayLeave[evict.length]
    if (next === undefined) return { kind: 'taken' }
    evict.push(next)
  }
}

/** What goes now: whose keep-alive is over, and the longest unused while measured models take more than the budget. */
export function overdue(residency: Residency, isPinned: IsPinned, nowMs: number): IdleResident[] {
  const unpinned = leastRecentlyUsed(residency, isPinned).filter(({ modelId }) => !isPinned(modelId))
  const going = unpinned.filter(({ phase }) => phase.untilMs <= nowMs)
  for (const next of unpinned) {
    const staying = residency.residents.filter((one) => !going.some((gone) => gone === one))
    if (isWithin(sum(staying.map((one) => one.needs)), residency)) break
    if (!going.includes(next)) going.push(next)
  }
  return going
}

/** What was replaced or removed on the disk, pinned or not. What is in use goes when its task ends. */
export function outdated(residency: Residency, identityOf: IdentityOf): IdleResident[] {
  return idleOnes(residency).filter(({ modelId, identity }) => identityOf(modelId) !== identity)
}

/** When the next keep-alive is over; Infinity when none ends. */
export function nextExpiryMs(residency: Residency, isPinned: IsPinned): number {
  const ends = idleOnes(residency).flatMap(({ modelId, phase }) => (isPinned(modelId) ? [] : [phase.untilMs]))
  return Math.min(Number.POSITIVE_INFINITY, ...ends)
}

/** What makes way for a task that ran out of memory: all that rests, but for its own model. Pinned ones if no other does. */
export function restingOthers(
  residency: Residency,
  modelId: string | null,
  isPinned: IsPinned,
): IdleResident[] {
  const others = idleOnes(residency).filter((one) => one.modelId !== modelId)
  const unpinned = others.filter((one) => !isPinned(one.modelId))
  return unpinned.length > 0 ? unpinned : others
}

/** Pinned ones last. */
function leastRecentlyUsed(residency: Residency, isPinned: IsPinned): IdleResident[] {
  const pinned = ({ modelId }: Resident) => Number(isPinned(modelId))
  return idleOnes(residency).sort((a, b) => pinned(a) - pinned(b) || a.phase.sinceMs - b.phase.sinceMs)
}

function isWithin(needs: Needs, { budget }: Residency): boolean {
  return needs.memoryMib <= budget.memoryMib && needs.vramMib <= (budget.vramMib ?? Number.POSITIVE_INFINITY)
}

function sum(all: readonly Needs[]): Needs {
  return {
    memoryMib: all.reduce((total, one) => total + one.memoryMib, 0),
    vramMib: all.reduce((total, one) => total + one.vramMib, 0),
  }
}
