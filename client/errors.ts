import type { Problem } from '#protocol/problem.ts'

/** The server refused: an RFC 9457 problem, typed. */
export class DalstonProblem extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(sentence(problem))
    this.name = 'DalstonProblem'
    this.problem = problem
  }

  get code(): string {
    return this.problem.code
  }

  get status(): number {
    return this.problem.status
  }

  get requestId(): string {
    return this.problem.request_id
  }

  /** What is wrong with which field, where the server says so. */
  get errors(): NonNullable<Problem['errors']> {
    return this.problem.errors ?? []
  }
}

/** No answer at all: the address is wrong, or nothing listens there. */
export class DalstonUnreachable extends Error {
  readonly server: string

  constructor(server: string, cause: unknown) {
    super(`no answer from a Dalston server at ${server}: ${reasonOf(cause)}`, { cause })
    this.name = 'DalstonUnreachable'
    this.server = server
  }
}

/** An answer that this client cannot read: something else listens there, or client and server are of different versions. */
export class DalstonUnreadable extends Error {
  constructor(request: string, found: string) {
    super(
      `${request} gave an answer that this client does not know (${found}); is that a Dalston server of this version?`,
    )
    this.name = 'DalstonUnreadable'
  }
}

function sentence(problem: Problem): string {
  const fields = (problem.errors ?? [])
    .filter((error) => !problem.detail.includes(error.detail))
    .map((error) => `${error.pointer}: ${error.detail}`)
  return [problem.detail, ...fields].join('; ')
}

/** fetch hides the reason in `cause`, and undici in one more level for several addresses. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.cause !== undefined) return reasonOf(cause.cause)
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return cause.message
}
