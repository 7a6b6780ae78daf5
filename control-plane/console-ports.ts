import { callerOfKey } from './actions/access.ts'
import type { Caller } from './actions/caller.ts'
import {
  callerOfSession,
  consumeSignInLink,
  createConsoleSession,
  endConsoleSession,
} from './actions/console-access.ts'
import type { Bindings } from './env.ts'
import { fillShell } from './http/console/fill-shell.ts'
import type { ConsolePorts } from './http/console/ports.ts'
import { answerApi } from './http/router.ts'

/** The console's ports, wired to this Worker. */
export function consolePorts(env: Bindings, origin: string): ConsolePorts<Caller> {
  return {
    verifyKey: (key) => callerOfKey(env, key),
    consumeSignInLink: (link) => consumeSignInLink(env, link),
    createSession: (caller) => createConsoleSession(env, caller),
    readSession: (token) => callerOfSession(env, token),
    deleteSession: (token) => endConsoleSession(env, token),
    api: (caller, request) => answerApi(request, env, caller),
    shell: (name) => env.ASSETS.fetch(new URL(`/${name}`, origin)),
    fillShell,
    nowMs: () => Date.now(),
  }
}
