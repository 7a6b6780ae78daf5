/**
 * What the console needs of its server. `Caller` is whatever authentication yields: the console only carries it. Pages
 * read through the native API as their visitor (`api`), so they can show nothing that the visitor's own key could not get.
 */
export interface ConsolePorts<Caller> {
  /** Whose key this is; null for one that is malformed, unknown or revoked. */
  verifyKey(key: string): Promise<Caller | null>
  /** Whose one-time link this is, spending it; null when it is unknown, spent or over. */
  consumeSignInLink(link: string): Promise<Caller | null>
  /** A new session. Only its hash is stored. */
  createSession(caller: Caller): Promise<NewSession>
  /** The caller of a session that is neither over nor ended, whose key is still good; else null. */
  readSession(token: string): Promise<Caller | null>
  /** Ends a session; an unknown one is no error. */
  deleteSession(token: string): Promise<void>
  /**
   * Answers a request for a `/v1/…` route as this caller. The request carries no key. Its body may be a stream of any
   * length and its signal tells when the visitor has gone, so both are handed on unread.
   */
  api(caller: Caller, request: Request): Promise<Response>
  /** A shell of the site's build: the static page that the console fills. */
  shell(name: ShellName): Promise<Response>
  /** Puts markup into the elements that carry `data-slot`, replacing what stands in them. */
  fillShell(shell: Response, slots: ShellSlots): Response
  nowMs(): number
}

export interface NewSession {
  /** At least 160 random bits, URL-safe. */
  readonly token: string
  readonly expiresAtMs: number
}

export type ShellName = 'sign-in' | 'jobs' | 'job' | 'engines' | 'message'
/** Escaped markup by slot. */
export type ShellSlots = Readonly<Record<'title' | 'main' | 'account', string>>
