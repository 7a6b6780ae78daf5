import { channelName, EngineError, type EngineStage, STAGE_ARTIFACTS } from '#engines/engine.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { Artifact, TaskParameters } from '#protocol/task.ts'

/** Which files of a grant a stage reads, and which it must have written: `STAGE_ARTIFACTS`, applied to one task. Pure. */

/**
 * The inputs by the name that the engine knows. A task of one channel gets that channel's file where there is one. Of two
 * with one name the later counts: it is the later form of the text. Throws `EngineError` when one is missing.
 */
export function inputsOf(
  stage: EngineStage,
  granted: readonly Artifact[],
  channel: number | null,
): ReadonlyMap<string, Artifact> {
  const { reads, readsByChannel = [], mayRead = [] } = STAGE_ARTIFACTS[stage]
  const inputs = new Map<string, Artifact>()
  const find = (name: string) => granted.findLast((one) => one.name === name)
  const take = (name: string) => {
    const found = (channel === null ? undefined : find(channelName(name, channel))) ?? find(name)
    if (found !== undefined) inputs.set(name, found)
    return found !== undefined
  }
  const takeEachChannel = (name: string) => {
    const each = granted.filter((one) => channelOf(one.name, name) !== null)
    for (const one of each) inputs.set(one.name, one)
    return each.length > 0
  }
  for (const name of reads) if (!take(name)) throw missing(stage, name)
  for (const name of readsByChannel) if (!take(name) && !takeEachChannel(name)) throw missing(stage, name)
  for (const name of mayRead) take(name)
  return inputs
}

/** What the stage must have written, told by its own summary where it writes one file a channel. */
export function outputNames(
  stage: EngineStage,
  parameters: TaskParameters,
  summary: StageSummary,
): readonly string[] {
  const { writes, writesByChannel = [] } = STAGE_ARTIFACTS[stage]
  if (!parameters.split_channels || summary.stage !== 'prepare') return writes
  const channels = Array.from({ length: summary.channel_count }, (_, channel) => channel)
  return [
    ...writes,
    ...channels.flatMap((channel) => writesByChannel.map((name) => channelName(name, channel))),
  ]
}

/** The channel that `name` is of, where it is one of `whole` (`audio.ch1.s16` of `audio.s16`: 1), else null. */
export function channelOf(name: string, whole: string): number | null {
  const channel = Number(/\.ch(\d+)(?:\.|$)/.exec(name)?.[1] ?? Number.NaN)
  return channelName(whole, channel) === name ? channel : null
}

export function contentTypeOf(name: string): string {
  if (name.endsWith('.jsonl')) return 'application/jsonl'
  if (name.endsWith('.s16')) return 'audio/l16;rate=16000;channels=1'
  return 'application/octet-stream'
}

function missing(stage: EngineStage, name: string): EngineError {
  const message = `The grant names no input ${name}, which ${stage} reads.`
  return new EngineError({ code: 'input_missing', message, retryable: false })
}
