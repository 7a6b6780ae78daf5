import type { AnnouncedEngine } from '#protocol/engine.ts'
import type { EngineId, ModelId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { TaskMetrics } from '#protocol/task.ts'
import type { Dispatch } from '../dispatch.ts'
import { expectation, learn, type Speed } from '../speed.ts'
import { classOf, type Granted, type RegistryState } from './state.ts'
import type { Turn } from './turn.ts'

/** What a pool learns of its engines' speed: for selection, for the ETA of jobs, and for how long a queue takes. */

export function speedKey(stage: Stage, engine: AnnouncedEngine, modelId: ModelId | null): string {
  return [stage, engine.manifest.id, modelId ?? '', engine.device].join('|')
}

/** A completed run that its Job accepted. */
export function learnFrom(
  turn: Turn,
  { dispatch, agentId, engineId, modelId }: Granted,
  run: { readonly metrics: TaskMetrics; readonly audioSeconds: number | null },
): void {
  const engine = turn.state.agents
    .get(agentId)
    ?.hello.engines.find(({ manifest }) => manifest.id === engineId)
  const audioSeconds = run.audioSeconds ?? dispatch.parameters.audio_seconds
  if (engine === undefined || audioSeconds === null) return
  const { run_ms, load_ms, transfer_ms } = run.metrics
  const key = speedKey(dispatch.stage, engine, modelId)
  const overheadMs = load_ms + transfer_ms
  turn.learn(key, learn(turn.state.speeds.get(key) ?? null, { audioSeconds, runMs: run_ms, overheadMs }))
}

/** Of several devices the one that most is known of. */
export function speedOf(
  state: RegistryState,
  stage: Stage,
  engineId: EngineId,
  modelId: ModelId | null,
): Speed | null {
  let best: Speed | null = null
  const prefix = `${[stage, engineId, modelId ?? ''].join('|')}|`
  for (const [key, speed] of state.speeds) {
    if (key.startsWith(prefix) && (best === null || speed.count > best.count)) best = speed
  }
  return best
}

/** How long the tasks before it take on the slots that its class has; 0 when nobody could run it at all. */
export function queueMs(state: RegistryState, dispatch: Dispatch): number {
  const key = classOf(dispatch)
  let slots = 0
  let speed: Speed | null = null
  for (const kind of state.kinds) {
    const [fit] = kind.fitting(key, dispatch.requirements)
    if (fit === undefined) continue
    slots += fit.engine.slots * kind.agents.size
    speed ??= state.speeds.get(speedKey(dispatch.stage, fit.engine, fit.model?.id ?? null)) ?? null
  }
  if (slots === 0) return 0
  const ahead = Math.max(0, (state.queues.get(key)?.size ?? 0) - 1) + slots / 2
  return Math.round((ahead / slots) * expectation(dispatch.stage, speed, dispatch.workSeconds).ms)
}
