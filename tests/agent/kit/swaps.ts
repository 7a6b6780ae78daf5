import { onTestFinished } from 'vitest'
import type { EngineHostsOptions } from '#agent/engine-hosts.ts'
import { aFolder, aGate } from './agents.ts'
import { Swapper } from './swapper.ts'

/** It is stopped with its test. */
export async function aSwapper(options: Partial<EngineHostsOptions> = {}): Promise<Swapper> {
  const swapper = new Swapper(await aFolder(), options)
  onTestFinished(() => swapper.hosts.stop())
  return swapper
}

/** A file that models wait for. */
export async function aSwapGate(): Promise<{ readonly path: string; open(): Promise<void> }> {
  const gate = await aGate()
  return { path: gate.script.slice('hold:'.length), open: gate.open }
}
