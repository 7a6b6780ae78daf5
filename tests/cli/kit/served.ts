import { afterEach, beforeEach } from 'vitest'
import { type ScriptedServer, scriptedServer } from '#tests/client/kit/scripted-server.ts'
import { Terminal } from './terminal.ts'

/** A scripted server, and a terminal that talks to it, new for each test of a file that imports them. It is the hub as well. */
export let server: ScriptedServer
export let terminal: Terminal

beforeEach(async () => {
  server = await scriptedServer()
  terminal = new Terminal({
    DALSTON_SERVER: server.address,
    DALSTON_API_KEY: 'dk_test',
    HF_ENDPOINT: server.address,
  })
})
afterEach(async () => {
  terminal.close()
  await server[Symbol.asyncDispose]()
})
