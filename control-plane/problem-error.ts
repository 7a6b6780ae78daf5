import { PROBLEMS, type Problem, type ProblemCode } from '#protocol/problem.ts'

type Members = Partial<
  Pick<Problem, 'errors' | 'stage' | 'requirements' | 'running_engines' | 'catalog_alternatives'>
>

/** An expected failure on its way to the caller: thrown by actions and handlers, turned into a problem in one place. */
export class ProblemError extends Error {
  readonly code: ProblemCode
  readonly members: Members
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ProblemCode,
    detail: string,
    members: Members = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.name = 'ProblemError'
    this.code = code
    this.members = members
    this.headers = headers
  }

  get status(): number {
    return PROBLEMS[this.code].status
  }
}

export function notFound(what: string): ProblemError {
  return new ProblemError('not_found', `There is no ${what} with this id.`)
}
