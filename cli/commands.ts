import type { Command } from './io.ts'

/** Every command, in the order of the help. A command is loaded when it is called. */
export const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  transcribe: () => import('./transcribe.ts'),
  jobs: () => import('./jobs.ts'),
  engines: () => import('./engines.ts'),
  models: () => import('./models.ts'),
  agents: () => import('./agents.ts'),
  agent: () => import('./agent.ts'),
  keys: () => import('./keys.ts'),
  serve: () => import('./serve.ts'),
  settings: () => import('./settings.ts'),
  demo: () => import('./demo.ts'),
  version: () => import('./version.ts'),
  help: () => import('./help.ts'),
}
