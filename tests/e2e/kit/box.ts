import { writeFileSync } from 'node:fs'
import { SCRIPT_VARIABLE } from '#tests/kit/script.ts'
import { Program } from './program.ts'
import type { Server } from './server.ts'

const SCRIPTED = new URL('../../kit/scripted-engines.ts', import.meta.url).href

const WELCOMED = /"agent\.welcomed"/

export interface BoxOptions {
  readonly name: string
  /** A folder of its own, which it keeps when it comes back. */
  readonly path: string
  /** Ids of scripted engines; a list module; or what the installation brings. */
  readonly engines: readonly string[] | { readonly listPath: string } | 'built-in'
  readonly slots?: number | undefined
  readonly pool?: string | undefined
  /** What the scripted engines do. */
  readonly scriptPath?: string | undefined
  /** More of its command line. */
  readonly flags?: readonly string[] | undefined
}

/** A machine with one `dalston agent`, which may be killed and come back. */
export class Box {
  readonly name: string
  readonly #server: Server
  readonly #options: BoxOptions
  #token: string | null = null
  #program: Program | null = null

  constructor(server: Server, options: BoxOptions) {
    this.name = options.name
    this.#server = server
    this.#options = options
  }

  /** Resolves when the server has welcomed it. */
  static async start(server: Server, options: BoxOptions): Promise<Box> {
    const box = new Box(server, options)
    await box.start()
    return box
  }

  get pid(): number {
    return this.#program?.pid ?? 0
  }

  /** The log of the newest start. */
  get log(): string {
    return this.#program?.text ?? ''
  }

  /** Where it keeps its models, and what it knows of them. */
  get dataPath(): string {
    return this.#options.path
  }

  /** The newest process of one engine. */
  enginePid(engineId: string): number {
    const started = [...this.log.matchAll(/"engine\.started","engine_id":"([^"]+)","pid":(\d+)/g)]
    return Number(started.findLast(([, id]) => id === engineId)?.[2] ?? 0)
  }

  /** The engine processes that the newest start made, those that are gone among them. */
  get enginePids(): number[] {
    return [...this.log.matchAll(/"engine\.started".*?"pid":(\d+)/g)].map(([, pid]) => Number(pid))
  }

  async start(): Promise<void> {
    const { pool } = this.#options
    this.#token ??= (await this.#server.client.createJoinToken({ pool })).token
    this.#program = this.#run(this.#token)
    await this.#program.said(WELCOMED)
  }

  /** Resolves at the next welcome after this call. */
  async welcomedAgain(): Promise<void> {
    await this.#program?.said(WELCOMED, this.log.length)
  }

  /** It finishes what it runs; resolves when it has left. */
  async stop(): Promise<number | null> {
    return this.#program?.end('SIGTERM') ?? null
  }

  /** kill -9 of the command that started the agent; resolves when the agent has ended as well. */
  async killCommand(): Promise<void> {
    await this.#program?.end('SIGKILL')
    await this.#program?.closed
  }

  /** As a machine that lost its power: nothing is said any more, and no connection is closed. */
  freeze(): void {
    process.kill(-this.pid, 'SIGSTOP')
  }

  /** kill -9 of the agent; its engines end by themselves. */
  async kill(): Promise<void> {
    await this.#program?.kill()
  }

  #run(token: string): Program {
    const { name, path, engines, slots = 1, scriptPath = '', flags = [] } = this.#options
    const own = engines === 'built-in' ? [] : ['--engines', this.#list(engines), '--engines-only']
    const place = ['--server', this.#server.address, '--data', path, '--name', name]
    return new Program(['agent', ...place, '--slots', String(slots), ...own, ...flags], {
      DALSTON_JOIN_TOKEN: token,
      [SCRIPT_VARIABLE]: scriptPath,
    })
  }

  #list(engines: Exclude<BoxOptions['engines'], 'built-in'>): string {
    if ('listPath' in engines) return engines.listPath
    const path = `${this.#options.path}.engines.mjs`
    const module = `import { ENGINES as ALL, ENVIRONMENT } from ${JSON.stringify(SCRIPTED)}
export { ENVIRONMENT }
export const ENGINES = ALL.filter(({ manifest }) => ${JSON.stringify(engines)}.includes(manifest.id))
`
    writeFileSync(path, module)
    return path
  }
}

/** Whether there is such a process. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // ESRCH
  }
}
