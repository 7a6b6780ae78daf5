import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { EngineManifest } from '#protocol/engine.ts'

/** How to start a program, and what it is as an engine. */
export const ProcessDescription = z.strictObject({
  manifest: EngineManifest,
  /** The program and its arguments; it runs in the folder of the description. */
  command: z.array(z.string().min(1)).min(1),
  /** Names of variables of the agent's environment that the program may read, besides PATH and the like. */
  environment: z.array(z.string().min(1)).default([]),
  /** How long it may take to say hello: imports of large libraries count. */
  hello_seconds: z.number().positive().max(3600).default(120),
  /** How long it has for a cancel, a close or a shutdown before it is killed; the agent itself kills after two seconds. */
  grace_seconds: z.number().positive().max(60).default(1.5),
  /** How long it has to free a model, once it has nothing else to do, before it is killed. */
  unload_seconds: z.number().positive().max(600).default(30),
  /** `exit`: each model has a program of its own, which ends with it: the sure way to give all memory back. */
  after_unload: z.enum(['keep', 'exit']).default('keep'),
})
export type ProcessDescription = z.infer<typeof ProcessDescription>

/** As it is written: manifest ids are plain strings, what has a default may be left out. */
export type DescriptionInput = z.input<typeof ProcessDescription>

/** A description file: one engine, or a list of them, in YAML or JSON. Throws a sentence that names the field. */
export async function readDescriptions(path: string): Promise<ProcessDescription[]> {
  const value: unknown = parse(await readFile(path, 'utf8'))
  if (!Array.isArray(value)) return [ProcessDescription.parse(value)]
  if (value.length === 0) throw new Error('expected an engine or a list of them, the list is empty')
  return z.array(ProcessDescription).parse(value)
}
