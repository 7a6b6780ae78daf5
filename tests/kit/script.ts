import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { EngineError, type RunContext } from '#engines/engine.ts'
import type { EngineId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'

/**
 * What the scripted engines (`scripted-engines.ts`) do, told from outside while they run: a JSON file that DALSTON_SCRIPT
 * names, read anew at each task. `on` is by engine id or by stage; the id counts first.
 */
export const Rule = z.strictObject({
  mode: z
    .enum([
      'complete',
      'fail_retryable',
      'fail_terminal',
      /** The process exits. */
      'crash',
      /** Never ends, deaf to abort. */
      'hang',
      /** Never ends, and its thread answers nothing. */
      'block',
      /** The summary of another stage. */
      'lie',
      'no_output',
      /** Holds `memory_mib` while it runs, then completes. */
      'memory',
    ])
    .default('complete'),
  /** How long a run takes, in ten steps of progress; then the mode happens. */
  seconds: z.number().min(0).default(0),
  /** A path: the run goes on when a file is there. */
  until: z.string().optional(),
  /** So many runs behave so, whatever process they are in; later ones complete. Counted anew when the rule changes. */
  times: z.int().min(1).optional(),
  /** Only for tasks of this channel. */
  channel: z.int().min(0).optional(),
  memory_mib: z.int().min(1).default(64),
})
export type Rule = z.infer<typeof Rule>

export const Script = z.strictObject({
  /** What is heard; a list has a text for each channel. */
  words: z.union([z.string(), z.array(z.string()).min(1)]).default('hello there all of you'),
  audio_seconds: z.number().positive().default(2),
  channels: z.int().min(1).max(32).default(1),
  /** Words that pii_detect takes out. */
  secrets: z.array(z.string()).default([]),
  on: z.record(z.string(), Rule).default({}),
})
export type Script = z.infer<typeof Script>

/** The variable of the agent's environment that names the script. */
export const SCRIPT_VARIABLE = 'DALSTON_SCRIPT'

/** Writes the script whole or not at all: an engine may read it at any moment. Returns its path. */
export async function writeScript(path: string, script: z.input<typeof Script>): Promise<string> {
  await writeFile(`${path}.new`, JSON.stringify(Script.parse(script)))
  await rename(`${path}.new`, path)
  return path
}

export interface Task {
  readonly engineId: EngineId
  readonly stage: Stage
  readonly channel: number | null
}

/** Reads the script and does what it says up to the end of the run. What follows is for documents and summary to show. */
export async function act(
  task: Task,
  context: RunContext,
): Promise<{ readonly script: Script; readonly mode: Rule['mode'] }> {
  const path = process.env[SCRIPT_VARIABLE] ?? ''
  const script = Script.parse(path === '' ? {} : JSON.parse(await readFile(path, 'utf8')))
  const rule = await ruleFor(script, task, path)
  const held = rule.mode === 'memory' ? Buffer.alloc(rule.memory_mib * 1024 ** 2, 1) : null
  await pass(rule, context)
  switch (rule.mode) {
    case 'crash':
      process.exit(7)
      break
    case 'hang':
      return new Promise(() => setInterval(() => {}, 1000))
    case 'block':
      // One turn for the report to leave.
      await sleep(1)
      for (;;);
    case 'fail_retryable':
    case 'fail_terminal': {
      const retryable = rule.mode === 'fail_retryable'
      throw new EngineError({ code: 'scripted_failure', message: `The script says ${rule.mode}.`, retryable })
    }
  }
  // Read at the end, so that the memory is held until then.
  return { script, mode: held?.[0] === 0 ? 'complete' : rule.mode }
}

async function ruleFor(script: Script, { engineId, stage, channel }: Task, path: string): Promise<Rule> {
  const plain = Rule.parse({})
  const rule = script.on[engineId] ?? script.on[stage] ?? plain
  if (rule.channel !== undefined && rule.channel !== channel) return plain
  if (rule.times === undefined) return rule
  return (await claimRun(path, stage, rule)) <= rule.times ? rule : plain
}

/** The number of this run under this rule, from 1: a file each beside the script, which one process alone can make. */
async function claimRun(path: string, stage: Stage, rule: Rule): Promise<number> {
  const folder = `${path}.runs`
  await mkdir(folder, { recursive: true })
  const hash = createHash('sha256').update(JSON.stringify(rule)).digest('hex').slice(0, 8)
  for (let run = 1; ; run++) {
    try {
      await writeFile(join(folder, `${stage}.${hash}.${run}`), '', { flag: 'wx' })
      return run
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}

const STEPS = 10

async function pass(rule: Rule, { report, signal }: RunContext): Promise<void> {
  report({ percent: 0, message: rule.mode })
  for (let step = 1; rule.seconds > 0 && step <= STEPS; step++) {
    await sleep((rule.seconds * 1000) / STEPS, undefined, { signal }).catch(() => signal.throwIfAborted())
    if (step < STEPS) report({ percent: (100 * step) / STEPS, message: rule.mode })
  }
  while (rule.until !== undefined && !(await exists(rule.until))) {
    signal.throwIfAborted()
    await sleep(5)
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
