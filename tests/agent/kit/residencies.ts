import type { LaneView } from '#agent/residency/place.ts'
import type { Phase, Residency, Resident } from '#agent/residency/residency.ts'

/** What lies in memory, in a line each: `aResident('whisper', { memoryMib: 300, idleSinceMs: 5 })`. */
interface ResidentSketch {
  readonly laneId?: number
  readonly memoryMib?: number
  readonly vramMib?: number
  readonly keepAliveMs?: number
  readonly phase?: Exclude<Phase['kind'], 'idle'>
  readonly idleSinceMs?: number
  readonly untilMs?: number
}

export function aResident(modelId: string, sketch: ResidentSketch = {}): Resident {
  const { laneId = 0, memoryMib = 100, vramMib = 0, keepAliveMs = 1_000, idleSinceMs = 0 } = sketch
  const { phase, untilMs = idleSinceMs + keepAliveMs } = sketch
  return {
    laneId,
    modelId,
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
