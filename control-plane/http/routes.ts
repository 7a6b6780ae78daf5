import * as agent from './agent.ts'
import * as agents from './agents.ts'
import * as artifacts from './artifacts.ts'
import type { AgentContext, JoinContext, KeyContext, OpenContext, TaskContext } from './context.ts'
import * as fleet from './fleet.ts'
import * as jobs from './jobs.ts'
import * as joinTokens from './join-tokens.ts'
import * as modelOperations from './model-operations.ts'
import { openAiRoute } from './openai.ts'
import * as uploads from './uploads.ts'

/** The surface on one screen. Every route names the one credential that it takes; what is not here is not served. */
export type Route = { readonly method: string; readonly path: string } & (
  | { readonly credential: 'none'; readonly handler: (context: OpenContext) => Promise<Response> }
  | { readonly credential: 'key'; readonly handler: (context: KeyContext) => Promise<Response> }
  | { readonly credential: 'join'; readonly handler: (context: JoinContext) => Promise<Response> }
  | { readonly credential: 'agent'; readonly handler: (context: AgentContext) => Promise<Response> }
  | { readonly credential: 'task'; readonly handler: (context: TaskContext) => Promise<Response> }
)

const TRANSCRIPTIONS = '/v1/audio/transcriptions'
const OPERATIONS = '/v1/models/operations'
const ARTIFACTS = '/agent/v1/artifacts/:key+'

export const ROUTES: readonly Route[] = [
  { method: 'POST', path: TRANSCRIPTIONS, credential: 'key', handler: jobs.create },
  { method: 'GET', path: TRANSCRIPTIONS, credential: 'key', handler: jobs.list },
  { method: 'GET', path: `${TRANSCRIPTIONS}/:id`, credential: 'key', handler: jobs.read },
  { method: 'DELETE', path: `${TRANSCRIPTIONS}/:id`, credential: 'key', handler: jobs.remove },
  { method: 'POST', path: `${TRANSCRIPTIONS}/:id/cancel`, credential: 'key', handler: jobs.cancel },
  { method: 'POST', path: `${TRANSCRIPTIONS}/:id/rerun`, credential: 'key', handler: jobs.rerun },
  { method: 'GET', path: `${TRANSCRIPTIONS}/:id/trace`, credential: 'key', handler: jobs.trace },
  { method: 'GET', path: `${TRANSCRIPTIONS}/:id/events`, credential: 'key', handler: jobs.events },
  { method: 'GET', path: `${TRANSCRIPTIONS}/:id/export/:format`, credential: 'key', handler: jobs.exportAs },

  { method: 'POST', path: '/v1/uploads', credential: 'key', handler: uploads.create },
  { method: 'GET', path: '/v1/uploads/:id', credential: 'key', handler: uploads.read },
  { method: 'DELETE', path: '/v1/uploads/:id', credential: 'key', handler: uploads.remove },
  { method: 'PUT', path: '/v1/uploads/:id/parts/:number', credential: 'key', handler: uploads.writePart },
  { method: 'POST', path: '/v1/uploads/:id/complete', credential: 'key', handler: uploads.complete },

  { method: 'GET', path: '/v1/engines', credential: 'key', handler: fleet.engines },
  { method: 'GET', path: '/v1/engines/:id', credential: 'key', handler: fleet.engine },
  { method: 'GET', path: '/v1/models', credential: 'key', handler: fleet.models },
  { method: 'POST', path: OPERATIONS, credential: 'key', handler: modelOperations.create },
  { method: 'GET', path: `${OPERATIONS}/:id`, credential: 'key', handler: modelOperations.read },
  { method: 'DELETE', path: `${OPERATIONS}/:id`, credential: 'key', handler: modelOperations.cancel },
  { method: 'GET', path: `${OPERATIONS}/:id/events`, credential: 'key', handler: modelOperations.events },
  { method: 'GET', path: '/v1/models/:id', credential: 'key', handler: fleet.model },

  { method: 'POST', path: '/v1/agents/tokens', credential: 'key', handler: joinTokens.create },
  { method: 'GET', path: '/v1/agents/tokens', credential: 'key', handler: joinTokens.list },
  { method: 'DELETE', path: '/v1/agents/tokens/:id', credential: 'key', handler: joinTokens.revoke },
  { method: 'GET', path: '/v1/agents', credential: 'key', handler: agents.list },
  { method: 'GET', path: '/v1/agents/:id', credential: 'key', handler: agents.read },
  { method: 'DELETE', path: '/v1/agents/:id', credential: 'key', handler: agents.remove },
  { method: 'POST', path: '/v1/agents/:id/drain', credential: 'key', handler: agents.drain },
  { method: 'POST', path: '/v1/agents/:id/undrain', credential: 'key', handler: agents.undrain },

  { method: 'POST', path: '/v1/console/links', credential: 'key', handler: fleet.signInLink },
  { method: 'GET', path: '/metrics', credential: 'key', handler: fleet.metrics },
  { method: 'GET', path: '/health', credential: 'none', handler: fleet.health },

  { method: 'GET', path: '/openai/v1/:rest+', credential: 'key', handler: openAiRoute },
  { method: 'POST', path: '/openai/v1/:rest+', credential: 'key', handler: openAiRoute },

  { method: 'POST', path: '/agent/v1/join', credential: 'join', handler: agent.join },
  { method: 'POST', path: '/agent/v1/credential', credential: 'agent', handler: agent.rotate },
  { method: 'GET', path: '/agent/v1/connect', credential: 'agent', handler: agent.connect },
  { method: 'POST', path: '/agent/v1/results', credential: 'agent', handler: agent.result },
  { method: 'GET', path: ARTIFACTS, credential: 'task', handler: artifacts.read },
  { method: 'HEAD', path: ARTIFACTS, credential: 'task', handler: artifacts.describe },
  { method: 'PUT', path: ARTIFACTS, credential: 'task', handler: artifacts.write },
  { method: 'POST', path: ARTIFACTS, credential: 'task', handler: artifacts.control },
  { method: 'DELETE', path: ARTIFACTS, credential: 'task', handler: artifacts.abort },
]
