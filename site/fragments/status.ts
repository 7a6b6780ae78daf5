import type { AgentView, EngineStatus } from '#protocol/api.ts'
import type { JobStatus, TaskStatus } from '#protocol/job.ts'
import { type Html, html } from './html.ts'
import { type IconName, icon } from './icon.ts'

type Status = JobStatus | TaskStatus | EngineStatus | AgentView['status']
type Tone = 'good' | 'bad' | 'live' | 'quiet' | 'warn'

/** Word, icon and tone together: no status is told by colour alone. */
const LOOKS: Readonly<Record<Status, readonly [Tone, IconName]>> = {
  pending: ['quiet', 'clock'],
  ready: ['quiet', 'clock'],
  running: ['live', 'spin'],
  completed: ['good', 'check'],
  failed: ['bad', 'cross'],
  skipped: ['quiet', 'skip'],
  cancelled: ['quiet', 'stop'],
  busy: ['live', 'spin'],
  draining: ['warn', 'clock'],
  offline: ['quiet', 'skip'],
  unhealthy: ['bad', 'warning'],
  online: ['good', 'check'],
  suspect: ['warn', 'warning'],
}

export function statusPill(status: Status, word: string = status): Html {
  const [tone, name] = LOOKS[status]
  return html`<span class="pill tone-${tone}">${icon(name)}${word}</span>`
}

/** An engine that is `ready` can work; a task that is `ready` only waits. */
export function enginePill(status: EngineStatus): Html {
  return status === 'ready'
    ? html`<span class="pill tone-good">${icon('check')}ready</span>`
    : statusPill(status)
}

/** `detect_emotions` as a heading reads it. */
export function stageTitle(stage: string): string {
  const words = stage.replaceAll('_', ' ').replace(/^pii/, 'PII')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
