import type { JobView, StageView } from '#protocol/job.ts'
import { type Html, html } from './html.ts'
import { prose } from './notice.ts'
import { duration, percent } from './quantities.ts'
import { stageTitle, statusPill } from './status.ts'
import { type Axis, axisLabels, axisOf, spansOf, track } from './timeline.ts'

/** Names of agents by id; an agent that has gone shows its id. */
export type AgentNames = ReadonlyMap<string, string>

/** One row a stage on a common time axis: waiting as a thin line, running as a bar, progress below it. */
export function pipeline(job: JobView, agents: AgentNames, nowMs: number): Html {
  const axis = axisOf(job, nowMs)
  return html`<section id="pipeline" class="panel pipeline" aria-labelledby="pipeline-title">
    <header class="panel-head">
      <h2 id="pipeline-title">Pipeline</h2>
      <ul class="legend" aria-label="Legend">
        <li><span class="swatch swatch-queue"></span>waiting</li>
        <li><span class="swatch swatch-run"></span>running</li>
      </ul>
    </header>
    ${
      job.stages.length === 0
        ? html`<p class="quiet">The stages are planned as soon as an engine can take this job.</p>`
        : html`<ol class="stages">${job.stages.map((stage) => row(stage, axis, agents, nowMs))}</ol>${axisLabels(axis)}`
    }
  </section>`
}

function row(stage: StageView, axis: Axis, agents: AgentNames, nowMs: number): Html {
  const id = stageKey(stage)
  return html`<li class="stage" id="stage-${id}" data-status="${stage.status}">
    <div class="stage-head">
      <h3>${stageTitle(stage.stage)}${channelOf(stage)}</h3>
      ${statusPill(stage.status, stage.status === 'ready' ? 'waiting' : stage.status)}
      ${stage.attempt > 1 && html`<span class="tag">attempt ${stage.attempt}</span>`}
      <p class="stage-by">${runBy(stage, agents)}</p>
    </div>
    <div class="stage-track">
      ${track(stage, axis, nowMs)}
      ${stageProgress(stage)}
      ${note(stage)}
    </div>
    ${times(stage, nowMs)}
  </li>`
}

/** `transcribe`, `transcribe.ch1`: unique within the job, and fit for an element's id. */
function stageKey(stage: StageView): string {
  return stage.task_id.slice(stage.task_id.indexOf('.') + 1).replace('.', '-')
}

function channelOf(stage: StageView): string {
  return stage.channel === null ? '' : ` · channel ${stage.channel}`
}

function runBy(stage: StageView, agents: AgentNames): string {
  const agent = stage.agent_id === null ? null : (agents.get(stage.agent_id) ?? stage.agent_id)
  const names = [stage.engine_id, stage.model_id, agent].filter((name) => name !== null)
  return names.length === 0 ? 'no engine yet' : names.join(' · ')
}

function stageProgress(stage: StageView): Html | null {
  if (stage.status !== 'running') return null
  const value = stage.progress?.percent ?? null
  const label = `${stageTitle(stage.stage)} progress`
  if (value === null) return html`<div class="meter"><progress aria-label="${label}"></progress></div>`
  return html`<div class="meter">
    <progress max="100" value="${value.toFixed(1)}" aria-label="${label}"></progress>
    <span class="figure">${percent(value)}</span>
  </div>`
}

/** What the stage says of itself: its error, what it is doing, why it waits, or why it runs where it does. */
function note(stage: StageView): Html | null {
  if (stage.error !== null) {
    return html`<p class="stage-note tone-bad">${prose(stage.error.message)} <code>${stage.error.code}</code></p>`
  }
  const text = (stage.status === 'running' ? stage.progress?.message : null) ?? stage.why
  return text === null ? null : html`<p class="stage-note">${prose(text)}</p>`
}

function times(stage: StageView, nowMs: number): Html {
  const { queue, run } = spansOf(stage, nowMs)
  const waitMs = stage.wait_ms ?? lengthOf(queue)
  const runMs = stage.duration_ms ?? lengthOf(run)
  return html`<dl class="stage-times">
    <div><dt>Waited</dt><dd>${waitMs === null ? '–' : duration(waitMs)}</dd></div>
    <div><dt>Ran</dt><dd>${runMs === null ? '–' : duration(runMs)}</dd></div>
  </dl>`
}

function lengthOf(span: { fromMs: number; toMs: number } | null): number | null {
  return span === null ? null : span.toMs - span.fromMs
}
