import type { Artifact } from '#protocol/task.ts'
import type { JobState, TaskState } from './state.ts'

/**
 * What a task reads, by the names that its engine looks for. Pure. The upload at the root of the graph, else what the
 * tasks that it depends on wrote; where two wrote the same name the later stage counts (aligned before as transcribed).
 *
 * Channels: prepare writes `audio.ch0.s16`, which the task of channel 0 reads as `audio.s16`; what that task writes as
 * `transcript.jsonl` a task of all channels reads as `transcript.ch0.jsonl`.
 */
export function inputsOf(job: JobState, { plan }: TaskState): Artifact[] {
  if (plan.dependsOn.length === 0) return [job.spec.upload]
  const inputs = new Map<string, Artifact>()
  for (const id of plan.dependsOn) {
    const source = job.tasks.get(id)
    if (source === undefined) continue
    // A channel's own audio replaces the mix of all channels.
    const ordered = [...source.artifacts].sort((a, b) => Number(isOfChannel(a)) - Number(isOfChannel(b)))
    for (const artifact of ordered) {
      const name = nameFor(plan.channel, source.plan.channel, artifact.name)
      if (name !== null) inputs.set(name, { ...artifact, name })
    }
  }
  return [...inputs.values()]
}

const OF_CHANNEL = /^(?<stem>.+)\.ch(?<channel>\d+)(?<extension>\.[^.]+)$/

function isOfChannel({ name }: Artifact): boolean {
  return OF_CHANNEL.test(name)
}

/** The name under which a reader of `reader` (null: all channels) finds it; null when it is another channel's. */
function nameFor(reader: number | null, writer: number | null, name: string): string | null {
  if (reader === null) return writer === null ? name : name.replace(/(\.[^.]+)$/, `.ch${writer}$1`)
  if (writer !== null) return name
  const groups = OF_CHANNEL.exec(name)?.groups
  if (groups === undefined) return name
  return Number(groups.channel) === reader ? `${groups.stem}${groups.extension}` : null
}
