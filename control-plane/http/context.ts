import type { TokenClaims } from '../access/task-token.ts'
import type { AgentIdentity } from '../actions/agent-credentials.ts'
import type { Caller } from '../actions/caller.ts'
import type { Invitation } from '../actions/join-tokens.ts'
import type { Bindings } from '../env.ts'

/** What a handler gets. Each kind of route has exactly the credential that its table entry asks for. */
export interface OpenContext {
  readonly request: Request
  readonly env: Bindings
  readonly url: URL
  readonly params: Readonly<Record<string, string>>
  readonly requestId: string
}

export interface KeyContext extends OpenContext {
  readonly caller: Caller
}

export interface JoinContext extends OpenContext {
  readonly invitation: Invitation
}

export interface AgentContext extends OpenContext {
  readonly agent: AgentIdentity
}

export interface TaskContext extends OpenContext {
  readonly claims: TokenClaims
}
