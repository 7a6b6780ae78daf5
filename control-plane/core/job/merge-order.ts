import type { Stage } from '#protocol/stage.ts'
import type { TaskParameters } from '#protocol/task.ts'
import { outputPrefix } from '../dispatch.ts'
import { asksRedaction } from '../parameters.ts'
import { transcriberOf } from '../pipeline.ts'
import { transcriptLanguage } from '../text-language.ts'
import type { MergeOrder } from './effects.ts'
import type { JobState, TaskState } from './state.ts'

/** What merge reads: the last form of the text, and what stands beside it. What was skipped is not there. Pure. */
export function mergeOrder(job: JobState, merge: TaskState, parameters: TaskParameters): MergeOrder {
  const { id: taskId } = merge.plan
  const asked = job.spec.parameters.enrichment
  const key = (stage: Stage, name: string) => keysOf(job, [stage], name)[0]?.key ?? null
  return {
    taskId,
    fence: merge.fence,
    parameters,
    outputPrefix: outputPrefix(taskId, merge.fence),
    transcripts: transcriptsOf(job),
    turnsKey: key('diarize', 'turns.jsonl'),
    emotionsKey: key('detect_emotions', 'emotions.jsonl'),
    topicsKey: key('detect_topics', 'topics.jsonl'),
    events: asked.includes('detect_events') ? { key: key('detect_events', 'events.jsonl') } : null,
    alignmentSource: alignmentSource(job),
    diarizationSource: diarizationSource(job),
    transcription: transcription(job),
  }
}

/** Refined, else redacted, else aligned, else as transcribed; where redaction was asked nothing before it counts. */
function transcriptsOf(job: JobState): MergeOrder['transcripts'] {
  for (const stage of ['refine', 'pii_detect'] as const) {
    const [whole] = keysOf(job, [stage], 'transcript.jsonl')
    if (whole !== undefined) return [whole]
  }
  if (asksRedaction(job.spec.parameters)) return []
  const channels = new Map(
    keysOf(job, ['transcribe', 'align'], 'transcript.jsonl').map((one) => [one.channel, one]),
  )
  return [...channels.values()]
}

/** In the order of the graph, so that what comes later replaces what came before it. */
function keysOf(job: JobState, stages: readonly Stage[], name: string) {
  return [...job.tasks.values()].flatMap(({ plan, status, artifacts }) => {
    const artifact = artifacts.find((one) => one.name === name)
    const counts = stages.includes(plan.stage) && status === 'completed' && artifact !== undefined
    return counts ? [{ channel: plan.channel, key: artifact.key }] : []
  })
}

function alignmentSource(job: JobState): MergeOrder['alignmentSource'] {
  if (job.spec.parameters.granularity !== 'word') return null
  const aligned = [...job.tasks.values()].some(
    ({ plan, status }) => plan.stage === 'align' && status === 'completed',
  )
  return aligned ? 'align' : 'transcription'
}

function diarizationSource(job: JobState): MergeOrder['diarizationSource'] {
  const { speakerDetection } = job.spec.parameters
  if (speakerDetection === 'none') return null
  if (speakerDetection === 'per_channel') return 'channel'
  const tasks = [...job.tasks.values()]
  if (tasks.some(({ plan, status }) => plan.stage === 'diarize' && status === 'completed')) return 'diarize'
  return tasks.some(({ plan }) => plan.requirements.diarization) ? 'transcription' : 'default'
}

/** Of several channels: the first one's language, and the warnings of all. */
function transcription(job: JobState): MergeOrder['transcription'] {
  const summaries = [...job.tasks.values()].flatMap(({ summary }) =>
    summary?.stage === 'transcribe' ? [summary] : [],
  )
  const [first] = summaries
  const warnings = summaries.flatMap((summary) => summary.warnings).slice(0, 100)
  const told = first ?? { language: null, language_source: null, speaker_count: null }
  const { language, language_source } = transcriptLanguage(told, job.pipeline && transcriberOf(job.pipeline))
  return { language, language_source, speaker_count: told.speaker_count, warnings }
}
