import type { EngineManifest } from '#protocol/engine.ts'
import { manifest as ctc } from './ctc/manifest.ts'
import type { Engine, EngineStage } from './engine.ts'
import { manifest as parakeet } from './parakeet/manifest.ts'
import { manifest as prepare } from './prepare/manifest.ts'

export interface ListedEngine {
  readonly manifest: EngineManifest
  /** Imports the engine with all that it needs. Only a child process does so: native code never loads into the agent. */
  readonly load: () => Promise<Engine<EngineStage, unknown>>
}

/**
 * Every engine of this installation. To add one: its folder, and a line here. Engines of one's own stand in another such
 * module, which an agent is given by `--engines FILE`; it may export `ENVIRONMENT` as well, the names of variables that its
 * engines read.
 */
export const ENGINES: readonly ListedEngine[] = [
  { manifest: prepare, load: async () => (await import('./prepare/engine.ts')).default },
  { manifest: ctc, load: async () => (await import('./ctc/engine.ts')).default },
  { manifest: parakeet, load: async () => (await import('./parakeet/engine.ts')).default },
]

/** The list module of what a description file tells: `?file=<path>` behind it. See process/README.md. */
export const DESCRIBED_ENGINES = new URL('process/described-engines.ts', import.meta.url)
