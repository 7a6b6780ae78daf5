import { type LaneView, place, type Want } from '#agent/residency/place.ts'
import type { Phase, Residency, Resident } from '#agent/residency/residency.ts'

/** What lies in memory, in a line each: `aResident('whisper', { memoryMib: 300, idleSinceMs: 5 })`. */
interface ResidentSketch {
  readonly laneId?: number
  readonly identity?: string
  readonly memoryMib?: number
  readonly vramMib?: number
  readonly keepAliveMs?: number
  readonly phase?: Exclude<Phase['kind'], 'idle'>
  readonly idleSinceMs?: number
  readonly untilMs?: number
}

export function aResident(modelId: string, sketch: ResidentSketch = {}): Resident {
  const {
    laneId = 0,
    identity = modelId,
    memoryMib = 100,
    vramMib = 0,
    keepAliveMs = 1_000,
    idleSinceMs = 0,
  } = sketch
  const { phase, untilMs = idleSinceMs + keepAliveMs } = sketch
  return {
    laneId,
    modelId,
    identity,
    needs: { memoryMib, vramMib },
    keepAliveMs,
    phase: phase === undefined ? { kind: 'idle', sinceMs: idleSinceMs, untilMs } : { kind: phase },
  }
}

export function aResidency(
  residents: readonly Resident[],
  memoryMib = 300,
  vramMib: number | null = null,
): Residency {
  return { budget: { memoryMib, vramMib }, residents }
}

export function aLane(id: number, sketch: Partial<LaneView> = {}): LaneView {
  return { id, engineId: 'ctc', holder: null, ...sketch }
}

export const nothingPinned = () => false
export const pins =
  (...ids: string[]) =>
  (modelId: string) =>
    ids.includes(modelId)

/** What has no identity of its own is as it is called. */
export const asNamed = (modelId: string) => modelId

export function aWant(
  id: string,
  change: { memoryMib?: number; holder?: Want['holder']; identity?: string } = {},
): Want {
  const { memoryMib = 100, holder = 'task', identity = id } = change
  return { engineId: 'ctc', model: { id, identity, needs: { memoryMib, vramMib: 0 } }, holder }
}

/** What is decided, in words. */
export function told(
  want: Want,
  residency: Residency,
  lanes: readonly LaneView[],
  isPinned: (modelId: string) => boolean = nothingPinned,
): string {
  const placed = place(want, residency, lanes, isPinned)
  switch (placed.kind) {
    case 'ready':
      return `ready in ${placed.laneId}`
    case 'load':
      return `load in ${placed.laneId ?? 'a new child'}`
    case 'wait':
      return `wait for ${placed.for}`
    case 'refuse':
      return placed.error.code
  }
}
