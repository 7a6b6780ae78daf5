import type { JobId, TaskId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { PlannedTask } from './dag.ts'
import { jobPrefix, outputPrefix } from './dispatch.ts'
import type { FileCopy, Reuse, ReusedTask } from './job/facts.ts'
import type { TaskState } from './job/state.ts'

/**
 * What a rerun takes over: of the new graph every task that does not depend on the stage it begins with, and that the
 * earlier job completed. Pure.
 */
export interface Source {
  readonly jobId: JobId
  readonly tasks: readonly TaskState[]
}

/** The stages that are done anew: the first one, and all that reads of it. Null: the graph has no such stage. */
export function redone(tasks: readonly PlannedTask[], fromStage: Stage): ReadonlySet<TaskId> | null {
  const ids = new Set(tasks.filter(({ stage }) => stage === fromStage).map(({ id }) => id))
  if (ids.size === 0) return null
  // The graph lists a task after what it depends on.
  for (const { id, dependsOn } of tasks) if (dependsOn.some((before) => ids.has(before))) ids.add(id)
  return ids
}

export function reuseOf(
  jobId: JobId,
  source: Source,
  tasks: readonly PlannedTask[],
  isRedone: ReadonlySet<TaskId>,
): Reuse {
  const copies: FileCopy[] = []
  const reused = tasks.flatMap(({ id, stage }): ReusedTask[] => {
    const earlier = source.tasks.find((task) => nameOf(task.plan.id) === nameOf(id))
    if (isRedone.has(id) || stage === 'merge' || earlier?.status !== 'completed') return []
    const { summary, metrics, runner } = earlier
    if (summary === null || metrics === null) return []
    const artifacts = earlier.artifacts.map((artifact) => {
      const toKey = `${outputPrefix(id, 0)}${artifact.name}`
      copies.push({ fromKey: artifact.key, toKey, contentType: artifact.content_type })
      return { ...artifact, key: toKey }
    })
    return [{ taskId: id, artifacts, summary, metrics, runner }]
  })
  const upload = uploadCopy(jobId, source.jobId)
  const isPrepared = reused.some(({ summary }) => summary.stage === 'prepare')
  return isPrepared
    ? { jobId: source.jobId, tasks: reused, copies, laterCopies: [upload] }
    : { jobId: source.jobId, tasks: reused, copies: [...copies, upload], laterCopies: [] }
}

/** The recording itself: each job owns all that it needs, so deleting one takes nothing from the other. */
function uploadCopy(jobId: JobId, sourceId: JobId): FileCopy {
  const contentType = 'application/octet-stream'
  return { fromKey: `${jobPrefix(sourceId)}upload`, toKey: `${jobPrefix(jobId)}upload`, contentType }
}

function nameOf(id: TaskId): string {
  return id.slice(id.indexOf('.') + 1)
}
