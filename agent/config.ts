import { availableParallelism, homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { AgentLabel } from '#protocol/model-order.ts'
import { RECONNECT_LIMITS, STABLE_MS } from './backoff.ts'
import { describeDevice } from './device.ts'

const DAY_MS = 86_400_000

/** The local knobs. The server dictates the others in its welcome. */
const Timing = z.strictObject({
  /** From the dial to the open socket, and again from hello to welcome. */
  handshakeMs: z.int().positive().default(10_000),
  backoffBaseMs: z.int().positive().default(RECONNECT_LIMITS.baseMs),
  backoffCapMs: z.int().positive().default(RECONNECT_LIMITS.capMs),
  stableMs: z.int().positive().default(STABLE_MS),
  /** What an aborted engine gets to stop by itself: with the child's exit well under the 5 s of a cancel. */
  abortGraceMs: z.int().min(0).default(2_000),
})

/** Where models are pulled from: a hub and its mirrors, in the order in which they are tried. */
const Hub = z.strictObject({
  endpoints: z
    .array(
      z
        .url({ protocol: /^https?$/, error: 'expected the address of a hub such as https://huggingface.co' })
        // It is told in errors and logs.
        .refine((url) => new URL(url).password === '' && new URL(url).username === '', {
          error: 'expected an address without a password in it',
        })
        .transform((url) => url.replace(/\/+$/, '')),
    )
    .min(1)
    .max(10)
    .default(['https://huggingface.co']),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, 'expected a token')
    .nullable()
    .default(null),
  tokenFile: z.string().min(1).nullable().default(null),
})

export const AgentConfig = z.strictObject({
  server: z
    .url({ protocol: /^https?$/, error: 'expected the address of a server such as http://127.0.0.1:8787' })
    .transform((url) => url.replace(/\/+$/, '')),
  joinToken: z.string().min(1).max(500).nullable().default(null),
  dataFolder: z.string().min(1),
  name: z.string().min(1).max(100),
  slots: z.int().min(1).max(64).default(1),
  /** What each engine child may use; the cores shared out among the slots when not set. */
  threads: z.int().min(1).max(1024),
  /** What the engines of this agent may take together. */
  memoryMib: z.int().min(64),
  /** ... and of a GPU's own memory; null: not counted. */
  vramMib: z.int().min(64).nullable().default(null),
  /** How long a model stays in memory without work; null is for ever. */
  keepAliveSeconds: z.int().min(0).nullable().default(300),
  /** What models run on. */
  device: z.enum(['auto', 'cpu', 'cuda', 'webgpu']).default('cpu'),
  drainTimeoutMs: z.int().min(0).max(86_400_000).default(300_000),
  /** A list module of the owner's own engines; alone, or beside the built-in ones. */
  enginesPath: z.string().min(1).nullable().default(null),
  enginesOnly: z.boolean().default(false),
  /** A credential that is older gets a successor. */
  rotateAfterMs: z
    .int()
    .positive()
    .default(30 * DAY_MS),
  /** ... and so does a stored one of any age, at the start. */
  rotateNow: z.boolean().default(false),
  /** The root of the installation: `models/*.yaml` lie there, and bundled files relative to it. */
  rootFolder: z.string().min(1),
  /** Parts of large uploads; R2 wants them equal and at least 5 MiB. */
  partSizeBytes: z
    .int()
    .positive()
    .default(32 * 1024 ** 2),
  /** What models may take on the disk; null: what it has. */
  modelsLimitBytes: z.int().min(0).nullable().default(null),
  hub: Hub.prefault({}),
  /** What an owner calls this box, for orders to many. */
  labels: z.array(AgentLabel).max(20).default([]),
  cacheLimitBytes: z
    .int()
    .min(0)
    .default(2 * 1024 ** 3),
  timing: Timing.prefault({}),
})
export type AgentConfig = z.infer<typeof AgentConfig>

export const USAGE = `usage: node agent/main.ts --server URL [--token JOIN_TOKEN] [--data DIR] [--name NAME]
                          [--slots N] [--threads N] [--memory-mib N] [--vram-mib N]
                          [--keep-alive SECONDS] [--device auto|cpu|cuda|webgpu] [--drain-timeout SECONDS]
                          [--hub URL]... [--hub-token-file FILE] [--models-limit-gib N] [--label NAME]...
                          [--engines FILE [--engines-only]] [--rotate-after DAYS] [--rotate-now] [--log json]
  --memory-mib is what engines may take together; by default four fifths of what the machine has;
  --vram-mib is the same of a GPU's own memory, which is not counted by default.
  --keep-alive is how long a model stays in memory without work, 300 s by default; 0 frees it at once, forever keeps it.
  --device auto takes a GPU where one is found to work, else the CPU.
  --hub is where models are pulled from, and HF_ENDPOINT the same, https://huggingface.co by default; given more than once,
  the others are mirrors, tried in order. HF_TOKEN, or the file that --hub-token-file names, holds the token for models
  whose licence must be accepted; it goes to these hubs and nowhere else.
  --models-limit-gib is what models may take on the disk: the least recently used go when another one needs the room.
  --label is a name such as gpu or office, for orders to all agents that have it.
  --engines adds engines of your own, of a list module or a YAML description, --engines-only leaves the others out; DALSTON_ENGINES=FILE
  and DALSTON_ENGINES_ONLY=1 do the same.
  --rotate-after is the age at which the agent gets itself a new credential, 30 days by default; --rotate-now gets one
  before it connects.
  --token is needed once; then the credential in the data folder is used. DALSTON_JOIN_TOKEN does the same
  without showing the token in the list of processes.`

/** What was asked cannot be understood: exit 2, with the sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Parses the command line once. Throws `UsageError`. */
export function parseConfig(argv: readonly string[], env: NodeJS.ProcessEnv): AgentConfig {
  const flags = parseFlags(argv)
  if (flags.log !== undefined && flags.log !== 'json')
    throw new UsageError(`--log: expected json, got ${flags.log}`)
  const slots = wholeNumber('--slots', flags.slots) ?? 1
  const drainSeconds = wholeNumber('--drain-timeout', flags['drain-timeout'])
  const rotateDays = wholeNumber('--rotate-after', flags['rotate-after'])
  const limitGib = wholeNumber('--models-limit-gib', flags['models-limit-gib'])
  const tokenFile = flags['hub-token-file']
  const enginesPath = flags.engines ?? env.DALSTON_ENGINES ?? ''
  const parsed = AgentConfig.safeParse({
    server: flags.server ?? env.DALSTON_SERVER,
    joinToken: flags.token ?? env.DALSTON_JOIN_TOKEN ?? null,
    dataFolder: resolve(flags.data ?? join(homedir(), '.dalston', 'agent')),
    name: flags.name ?? hostname().slice(0, 100),
    slots,
    threads:
      wholeNumber('--threads', flags.threads) ?? Math.max(1, Math.floor(availableParallelism() / slots)),
    memoryMib: wholeNumber('--memory-mib', flags['memory-mib']) ?? defaultMemoryMib(),
    vramMib: wholeNumber('--vram-mib', flags['vram-mib']),
    keepAliveSeconds: keepAliveSeconds(flags['keep-alive']),
    device: flags.device ?? 'auto',
    enginesPath: enginesPath === '' ? null : resolve(enginesPath),
    modelsLimitBytes: limitGib === undefined ? undefined : limitGib * 1024 ** 3,
    hub: {
      endpoints: flags.hub ?? (env.HF_ENDPOINT ? [env.HF_ENDPOINT] : undefined),
      token: env.HF_TOKEN || null,
      tokenFile: tokenFile === undefined ? null : resolve(tokenFile),
    },
    labels: flags.label,
    enginesOnly: flags['engines-only'] ?? env.DALSTON_ENGINES_ONLY === '1',
    drainTimeoutMs: drainSeconds === undefined ? undefined : drainSeconds * 1000,
    rotateAfterMs: rotateDays === undefined ? undefined : rotateDays * DAY_MS,
    rotateNow: flags['rotate-now'],
    rootFolder: fileURLToPath(new URL('..', import.meta.url)),
  })
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'not valid' }
  throw new UsageError(`${flagOf(path)}: ${message}`)
}

/** A lease that is not extended at least three times before it ends would be lost to one late packet. */
export function intervalsFault(intervals: { lease_ms: number; lease_extend_ms: number }): string | null {
  if (intervals.lease_ms > 3 * intervals.lease_extend_ms) return null
  return `lease_ms must be more than 3 × lease_extend_ms, got ${intervals.lease_ms} and ${intervals.lease_extend_ms}`
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        server: { type: 'string' },
        token: { type: 'string' },
        data: { type: 'string' },
        name: { type: 'string' },
        slots: { type: 'string' },
        threads: { type: 'string' },
        'memory-mib': { type: 'string' },
        'vram-mib': { type: 'string' },
        'keep-alive': { type: 'string' },
        device: { type: 'string' },
        engines: { type: 'string' },
        'engines-only': { type: 'boolean' },
        hub: { type: 'string', multiple: true },
        'hub-token-file': { type: 'string' },
        'models-limit-gib': { type: 'string' },
        label: { type: 'string', multiple: true },
        'drain-timeout': { type: 'string' },
        'rotate-after': { type: 'string' },
        'rotate-now': { type: 'boolean' },
        log: { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function wholeNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${flag}: expected a whole number, got ${text}`)
  return Number(text)
}

/** Undefined: the default; null: for ever. */
function keepAliveSeconds(text: string | undefined): number | null | undefined {
  return text === 'forever' || /^-\d{1,9}$/.test(text ?? '') ? null : wholeNumber('--keep-alive', text)
}

/** The rest is for the agent, the system, and what shares the machine with them. */
const ENGINES_PART = 0.8

function defaultMemoryMib(): number {
  return Math.floor(describeDevice().memoryMib * ENGINES_PART)
}

/** What a fault is called on the command line. */
function flagOf(path: readonly PropertyKey[]): string {
  const [field, part] = path
  if (field === 'hub')
    return part === 'token' ? 'HF_TOKEN' : part === 'tokenFile' ? '--hub-token-file' : '--hub'
  if (field === 'labels') return '--label'
  return `--${dashed(path.join('.'))}`
}

/** `memoryMib` as its flag is written; times have their own units there. */
function dashed(name: string): string {
  return name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
