import type { AgentView, EngineView, ModelView } from '#protocol/api.ts'
import { STAGES, type Stage } from '#protocol/stage.ts'
import { agentsPanel } from './agents.ts'
import type { Visit } from './form.ts'
import { type Html, html } from './html.ts'
import { count } from './quantities.ts'
import { refreshInPlace } from './refresh.ts'
import { enginePill, stageTitle } from './status.ts'

export interface Fleet {
  readonly engines: readonly EngineView[]
  readonly models: readonly ModelView[]
  readonly agents: readonly AgentView[]
}

/** How often an open page asks again: agents report every ten seconds, and a change of status at once. */
const REFRESH_SECONDS = 3

/** Every engine once, under its first stage, batch and realtime together. The stages come from the engines themselves. */
export function enginesPage(fleet: Fleet, visit: Visit): Html {
  const kinds = engineKinds(fleet.engines)
  return html`<div id="fleet" hx-get="/ui/engines" hx-trigger="every ${REFRESH_SECONDS}s" ${refreshInPlace}>
    ${kinds.length > 0 && summary(fleet, kinds)}
    ${kinds.length > 0 && html`<div class="stage-groups">${stagesOf(kinds).map((stage) => stageSection(stage, kinds, fleet.models))}</div>`}
    ${agentsPanel(fleet.agents, visit)}
  </div>`
}

/** One engine over all the agents that host it. */
interface EngineKind {
  readonly stage: Stage
  readonly hosts: readonly [EngineView, ...EngineView[]]
}

function engineKinds(engines: readonly EngineView[]): readonly EngineKind[] {
  return Object.values(Object.groupBy(engines, (engine) => engine.engine_id)).flatMap((hosts) => {
    const [first, ...rest] = hosts ?? []
    const stage = first?.manifest.stages[0]
    return first === undefined || stage === undefined ? [] : [{ stage, hosts: [first, ...rest] as const }]
  })
}

/** STAGES only gives the order: a stage without engines has no heading. */
function stagesOf(kinds: readonly EngineKind[]): readonly Stage[] {
  return STAGES.filter((stage) => kinds.some((kind) => kind.stage === stage))
}

function summary(fleet: Fleet, kinds: readonly EngineKind[]): Html {
  const healthy = kinds.filter((kind) => kind.hosts.some(isHealthy)).length
  const running = total(fleet.engines, (engine) => engine.running_tasks)
  const sessions = total(fleet.engines, (engine) => engine.active_sessions)
  const slots = total(fleet.engines.filter(isHealthy), (engine) => engine.slots)
  return html`<dl class="figures">
    <div><dt>Engines ready</dt><dd>${healthy} of ${kinds.length}</dd></div>
    <div><dt>Stages covered</dt><dd>${new Set(kinds.flatMap((kind) => kind.hosts[0].manifest.stages)).size}</dd></div>
    <div><dt>Slots in use</dt><dd>${running + sessions} of ${slots}</dd></div>
    <div><dt>Waiting</dt><dd>${waiting(fleet.engines)}</dd></div>
  </dl>`
}

function stageSection(stage: Stage, kinds: readonly EngineKind[], models: readonly ModelView[]): Html {
  return html`<section class="stage-group" aria-labelledby="group-${stage}">
    <h2 id="group-${stage}">${stageTitle(stage)}</h2>
    ${kinds.filter((kind) => kind.stage === stage).map((kind) => card(kind, models))}
  </section>`
}

function card({ hosts }: EngineKind, models: readonly ModelView[]): Html {
  const [{ manifest, engine_id: id }] = hosts
  const slots = total(hosts, (host) => host.slots)
  const used = total(hosts, (host) => host.running_tasks + host.active_sessions)
  return html`<article class="panel card" id="engine-${id}" aria-labelledby="engine-${id}-name">
    <header class="panel-head">
      <h3 id="engine-${id}-name">${manifest.name}</h3><span class="quiet">${id} ${manifest.version}</span>
    </header>
    <p class="quiet">${manifest.description}</p>
    <ul class="chips" aria-label="Serves">
      ${manifest.stages.slice(1).map((stage) => html`<li class="tag">also ${stageTitle(stage)}</li>`)}
      ${manifest.interfaces.map((face) => html`<li class="tag">${face}</li>`)}
    </ul>
    <dl class="figures small">
      <div><dt>Waiting</dt><dd>${waiting(hosts)}</dd></div>
      <div><dt>Running</dt><dd>${total(hosts, (host) => host.running_tasks)}</dd></div>
      ${manifest.interfaces.includes('realtime') && html`<div><dt>Live sessions</dt><dd>${total(hosts, (host) => host.active_sessions)}</dd></div>`}
      <div><dt>Slots used</dt><dd>${used} of ${slots}</dd></div>
    </dl>
    <progress class="use" max="${Math.max(1, slots)}" value="${used}" aria-label="${manifest.name}: slots used"></progress>
    <ul class="hosts" aria-label="Agents">${hosts.map(
      (host) =>
        html`<li><span>${host.agent_name}</span><span class="quiet">${host.device}</span>${whyNot(host)}${enginePill(host.status)}</li>`,
    )}</ul>
    ${modelList(hosts, models)}
  </article>`
}

/** A busy engine needs no explanation: its slots stand above. */
function whyNot({ status, why }: EngineView): Html | null {
  return why === null || status === 'busy' ? null : html`<span class="quiet why">${why}</span>`
}

/** Models of any engine, whatever its stage; how many of them can do what instead of one flag for the engine. */
function modelList(hosts: readonly EngineView[], models: readonly ModelView[]): Html | null {
  const announced = [
    ...new Map(hosts.flatMap((host) => host.models).map((model) => [model.id, model])).values(),
  ]
  if (announced.length === 0) return null
  const loaded = new Set(
    hosts.flatMap((host) => host.models.filter((model) => model.loaded).map((model) => model.id)),
  )
  const timed = announced.filter((model) => model.word_timestamps).length
  return html`<div class="models">
    <h4>${count(announced.length, 'model')} <span class="quiet">${timed} of ${announced.length} with word times</span></h4>
    <ul>${announced.map(
      (model) => html`<li>
        <span>${models.find((known) => known.id === model.id)?.name ?? model.id} <code>${model.id}</code></span>
        <span class="chips">
          ${loaded.has(model.id) && html`<span class="tag">loaded</span>`}
          ${model.embedded && html`<span class="tag">embedded</span>`}
          <span class="tag">${model.languages === null ? 'any language' : model.languages.join(', ')}</span>
        </span>
      </li>`,
    )}</ul>
  </div>`
}

function isHealthy(engine: EngineView): boolean {
  return engine.status === 'ready' || engine.status === 'busy'
}

/** Every host of an engine reports the queue that they share, so a sum would count it once a host. */
function waiting(engines: readonly EngineView[]): number {
  const queues = Map.groupBy(engines, (engine) => engine.engine_id)
  return total([...queues.values()], (hosts) => Math.max(...hosts.map((host) => host.queued_tasks)))
}

function total<Item>(items: readonly Item[], figure: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + figure(item), 0)
}
