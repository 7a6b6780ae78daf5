#!/usr/bin/env node
// Starts cli/main.ts: here when this Node runs TypeScript (22.18 and newer), else under the Node that npm brought along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const brought = [path('../node_modules/.bin/node'), path('../../.bin/node')].find((each) => existsSync(each))

if (process.features.typescript) {
  await import('./main.ts')
} else if (brought && brought !== process.execPath) {
  const child = spawn(brought, [path('main.ts'), ...process.argv.slice(2)], { stdio: 'inherit' })
  // The terminal's Ctrl-C reaches the child by itself; this process waits for it. A SIGTERM is handed on.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
} else {
  process.stderr.write(
    `dalston needs Node 22.18 or newer, this is ${process.versions.node}: install it from nodejs.org\n`,
  )
  process.exitCode = 1
}
