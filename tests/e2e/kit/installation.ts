import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Dalston } from '#client/dalston.ts'
import { findFfmpeg } from '#engines/audio/ffmpeg-decoder.ts'
import { type Host, startHost } from '#host/host.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

/** Makes recordings of other formats; a machine without it runs the tests that need none. */
export const hasFfmpeg = findFfmpeg(process.env.PATH) !== null

export interface CliResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The real thing: the built Worker, a local agent with its engines, the embedded model, on a data folder of its own. */
export class Installation {
  readonly folder = new TempFolder()
  readonly client: Dalston
  readonly #host: Host
  readonly #logFd: number

  private constructor(host: Host, logFd: number, folder: TempFolder) {
    this.#host = host
    this.#logFd = logFd
    this.folder = folder
    this.client = new Dalston({ server: host.address, apiKey: host.apiKey })
  }

  static async start(): Promise<Installation> {
    const folder = new TempFolder()
    const logFd = openSync(folder.join('log'), 'w')
    const dataPath = folder.join('data')
    const host = await startHost({ dataPath, host: '127.0.0.1', port: 0, agent: true, logFd })
    await host.agentReady
    return new Installation(host, logFd, folder)
  }

  get address(): string {
    return this.#host.address
  }

  get apiKey(): string {
    return this.#host.apiKey
  }

  log(): string {
    return readFileSync(this.folder.join('log'), 'utf8')
  }

  /** Runs the CLI as its user does. */
  dalston(...parameters: string[]): Promise<CliResult> {
    return runDalston(this, parameters)
  }

  async stop(): Promise<void> {
    await this.#host.stop()
    closeSync(this.#logFd)
    this.folder[Symbol.dispose]()
  }
}

/** `dalston …` for that server, to its end. */
export function runDalston(
  { address, apiKey }: { readonly address: string; readonly apiKey: string },
  parameters: readonly string[],
): Promise<CliResult> {
  const env = { ...process.env, DALSTON_SERVER: address, DALSTON_API_KEY: apiKey }
  return finished(spawn('node', ['cli/main.ts', ...parameters], { cwd: ROOT, env }))
}

export function sample(name: 'call' | 'dialogue' | 'dictation'): {
  readonly path: string
  readonly text: string
} {
  const path = `${ROOT}models/embedded/samples/${name}.wav`
  // A dialogue's truth has one turn a line, with its speaker in front.
  const text = readFileSync(path.replace('.wav', '.txt'), 'utf8').replace(/^[A-Z]: /gm, '')
  return { path, text }
}

/** Runs a program to its end. @throws Error when it fails. */
export async function runProgram(program: string, parameters: readonly string[]): Promise<void> {
  const { code, err } = await finished(spawn(program, parameters))
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${err.slice(-500)}`)
}

async function finished(child: ChildProcess): Promise<CliResult> {
  const texts = { out: '', err: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  return { code, ...texts }
}
