import type { z } from 'zod'
import { EngineError } from '../engine.ts'

/** What may be wrong with a program, as typed errors. Each may work on another machine or at another try. Pure. */

/** It cannot be used here: missing, silent, or another program than the description says. */
export function unavailable(message: string): EngineError {
  return failure('engine_unavailable', message)
}

/** It ended. */
export function crashed(message: string): EngineError {
  return failure('engine_crashed', message)
}

/** It said or wrote something that is not what the contract says. */
export function badOutput(message: string): EngineError {
  return failure('engine_bad_output', message)
}

/** `words.0.start: expected number`, the first thing that is wrong. */
export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'is not what was expected'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}

function failure(code: string, message: string): EngineError {
  return new EngineError({ code, message: message.slice(0, MOST_CHARACTERS), retryable: true })
}

/** What an error may hold on the wire. */
const MOST_CHARACTERS = 2000
