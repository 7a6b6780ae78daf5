import type { AgentView, CreatedJoinToken } from '#protocol/api.ts'
import { csrfField, type Visit } from './form.ts'
import { type Html, html } from './html.ts'
import { pasteLine } from './notice.ts'
import { ago, timestamp } from './quantities.ts'
import { statusPill } from './status.ts'

export function agentsPanel(agents: readonly AgentView[], visit: Visit): Html {
  return html`<section id="agents" class="panel" aria-labelledby="agents-title">
    <header class="panel-head"><h2 id="agents-title">Agents</h2></header>
    ${
      agents.every((agent) => agent.status === 'offline') &&
      html`<p class="empty-line"><strong>No agent is connected.</strong> Jobs need one: a machine with this project on it dials out
        to this server, so it needs no open port. Make its line here, and paste it there.</p>`
    }
    ${agents.length > 0 && table(agents, visit.nowMs)}
    ${joinForm(visit)}
  </section>`
}

function table(agents: readonly AgentView[], nowMs: number): Html {
  return html`<table class="list">
    <thead><tr>
      <th scope="col">Name</th><th scope="col">Status</th><th scope="col" class="wide">Engines</th>
      <th scope="col" class="number">In use</th><th scope="col" class="wide">Machine</th><th scope="col" class="number wide">Last seen</th>
    </tr></thead>
    <tbody>${agents.map(
      (agent) => html`<tr id="agent-${agent.id}">
        <th scope="row" class="name">${agent.name}${agent.why !== null && html` <span class="sub quiet">${agent.why}</span>`}</th>
        <td>${statusPill(agent.status)}</td>
        <td class="wide">${agent.engines.join(', ')}</td>
        <td class="number">${agent.running_tasks} of ${agent.slots}</td>
        <td class="wide">${[agent.platform, agent.version].filter((part) => part !== null).join(' · ')}</td>
        <td class="number wide">${seen(agent, nowMs)}</td>
      </tr>`,
    )}</tbody>
  </table>`
}

function seen(agent: AgentView, nowMs: number): Html | string {
  if (agent.last_seen_at === null) return 'never'
  return html`<time datetime="${agent.last_seen_at}" title="${timestamp(agent.last_seen_at)}">${ago(agent.last_seen_at, nowMs)}</time>`
}

/** A token is shown once, so making one is a post; the answer takes the place of the button until the page is left. */
function joinForm(visit: Visit): Html {
  return html`<div id="join" hx-morph-skip>
    <form method="post" action="/ui/agents/tokens" hx-post="/ui/agents/tokens" hx-target="#join" hx-swap="innerHTML">
      ${csrfField(visit)}<button type="submit" class="button">Add an agent…</button>
    </form>
  </div>`
}

/** The line to run on the other machine, from a checkout of this project. */
export function joinLine(created: CreatedJoinToken, visit: Visit): Html {
  const line = `npm ci && npx dalston agent --server ${visit.origin} --token ${created.token}`
  return html`<p role="status">Run this on the new machine, in a copy of this project. The token works until
      <time datetime="${created.expires_at}">${timestamp(created.expires_at)}</time> and is shown only now.</p>
    ${pasteLine('The line to run on the new machine', line)}
    <p class="quiet">The agent appears above as soon as it has connected.</p>`
}
