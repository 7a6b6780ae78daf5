import type { TaskError } from '#protocol/task.ts'
import { type IdleResident, idleOnes, type Needs, type Residency, type Resident } from './residency.ts'
import { type IsPinned, roomFor } from './room.ts'

/** Where a task, or a prefetch, gets its model. Pure. */
export interface Want {
  readonly engineId: string
  /** Null: the engine runs without a model. */
  readonly model: { readonly id: string; readonly identity: string; readonly needs: Needs } | null
  readonly holder: Holder
}

/** Who has a child to itself. */
export type Holder = 'task' | 'prefetch'

/** A child as far as it matters here. */
export interface LaneView {
  readonly id: number
  readonly engineId: string
  readonly holder: Holder | null
}

export type Placement =
  /** The model lies there and nobody uses that child. */
  | { readonly kind: 'ready'; readonly laneId: number }
  /** `laneId: null`: in a new child. `evict` goes first. */
  | { readonly kind: 'load'; readonly laneId: number | null; readonly evict: readonly IdleResident[] }
  /** Until something changes: a load of this very model ends, or what is in use rests. */
  | { readonly kind: 'wait'; readonly for: 'load' | 'memory' }
  | { readonly kind: 'refuse'; readonly error: TaskError }

export function place(
  want: Want,
  residency: Residency,
  lanes: readonly LaneView[],
  isPinned: IsPinned,
): Placement {
  const free = lanes.filter((lane) => lane.engineId === want.engineId && lane.holder === null)
  const { model } = want
  if (model === null) return { kind: 'load', laneId: emptiest(free, residency, []), evict: [] }

  const inFree = (one: IdleResident) => free.some((lane) => lane.id === one.laneId)
  const ready = idleOnes(residency)
    .filter((one) => isOf(model, one) && inFree(one))
    .sort((a, b) => b.phase.sinceMs - a.phase.sinceMs)[0]
  if (ready !== undefined) return { kind: 'ready', laneId: ready.laneId }
  const moving = residency.residents.find(
    (one) => isOf(model, one) && (one.phase.kind === 'loading' || one.phase.kind === 'unloading'),
  )
  if (moving !== undefined) return { kind: 'wait', for: 'load' }
  if (want.holder === 'prefetch' && isPrefetching(want.engineId, lanes)) return { kind: 'wait', for: 'load' }

  // A child holds one model of a name: what was replaced leaves before its successor comes.
  const replaced = idleOnes(residency).filter(
    (one) => one.modelId === model.id && !isOf(model, one) && inFree(one),
  )
  const staying = residency.residents.filter((one) => !replaced.some((gone) => gone === one))
  // A prefetch is a guess about the future: nothing that somebody pinned makes way for it.
  const pins = { isPinned, mayLeave: want.holder === 'task' }
  const room = roomFor(model.needs, { ...residency, residents: staying }, pins)
  if (room.kind === 'never') return { kind: 'refuse', error: tooLarge(model, residency) }
  if (room.kind === 'taken') return { kind: 'wait', for: 'memory' }
  const evict = [...replaced, ...room.evict]
  return { kind: 'load', laneId: emptiest(free, residency, evict), evict }
}

function isOf({ id, identity }: NonNullable<Want['model']>, one: Resident): boolean {
  return one.modelId === id && one.identity === identity
}

/** One at a time for an engine, so that it has one child more than slots at most. */
function isPrefetching(engineId: string, lanes: readonly LaneView[]): boolean {
  return lanes.some((lane) => lane.engineId === engineId && lane.holder === 'prefetch')
}

/** The free child that then holds the fewest models: the sooner it is empty, the sooner its memory is proven free. */
function emptiest(
  free: readonly LaneView[],
  residency: Residency,
  evict: readonly IdleResident[],
): number | null {
  const held = ({ id }: LaneView) =>
    residency.residents.filter((one) => one.laneId === id && !evict.some((gone) => gone === one)).length
  return [...free].sort((a, b) => held(a) - held(b))[0]?.id ?? null
}

/** Retryable, because another agent may have more memory. */
function tooLarge({ id, needs }: NonNullable<Want['model']>, { budget }: Residency): TaskError {
  const fits = needs.memoryMib <= budget.memoryMib
  const message = fits
    ? `The model ${id} takes ${needs.vramMib} MiB on the device, this agent may use ${budget.vramMib} (--vram-mib).`
    : `The model ${id} takes ${needs.memoryMib} MiB, this agent may use ${budget.memoryMib} (--memory-mib).`
  return { code: 'model_too_large', message, retryable: true }
}
