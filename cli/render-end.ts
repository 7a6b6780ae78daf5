import type { JobView } from '#protocol/job.ts'
import { duration } from './text.ts'

/** What is worth saying when a job has ended, a line each. */
export function renderEnd(label: string, job: JobView): string[] {
  if (job.status === 'failed') {
    const { error } = job
    const where = error?.stage ? ` in ${error.stage}` : ''
    return [
      `${label}: failed${where}: ${error?.message ?? 'no reason was given'}${error ? ` (${error.code})` : ''}`,
    ]
  }
  if (job.status !== 'completed') return [`${label}: ${job.status}`]
  return [
    `${label}: ${speed(job)}`,
    ...(job.result?.no_speech ? [`${label}: no speech was found`] : []),
    ...warningLines(job).map((line) => `${label}: ${line}`),
  ]
}

/** A line each; of a stage that was left out with what stands in for it. */
export function warningLines({ pipeline_warnings: warnings }: JobView): string[] {
  return warnings.map(({ stage, status, fallback, message }) => {
    const instead = fallback === undefined ? '' : ` (instead: ${fallback.replaceAll('_', ' ')})`
    return `${stage}${status === undefined ? '' : ` ${status}`}: ${message}${instead}`
  })
}

/** Every transcript of the embedded model says so; null for others. */
export function embeddedNote(job: JobView): string | null {
  if (!job.result?.embedded_model) return null
  return 'made by the small model that ships with Dalston, for trying the system; `dalston models ls` lists what there is'
}

function speed({
  audio_duration_seconds: audioSeconds,
  started_at: from,
  completed_at: to,
}: JobView): string {
  if (audioSeconds === null || from === null || to === null) return 'completed'
  const tookSeconds = (Date.parse(to) - Date.parse(from)) / 1000
  const ratio = tookSeconds > 0 ? `, ${(audioSeconds / tookSeconds).toFixed(1)}x real time` : ''
  return `${duration(audioSeconds)} of audio in ${duration(tookSeconds)}${ratio}`
}
