import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { HostBuild } from '#host/host-build.ts'
import type { LockRecord } from '#host/lock.ts'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** A folder with a built tiny Worker in `worker` and room for data; processes started through it end with it. */
export class Sandbox {
  readonly path = mkdtempSync(join(tmpdir(), 'dalston-host-test-'))
  readonly #hosts: RunningHost[] = []

  constructor() {
    mkdirSync(join(this.path, 'worker'))
    copyFileSync(here('tiny-worker.js'), join(this.path, 'worker/worker.js'))
    writeFileSync(join(this.path, 'worker/host.json'), JSON.stringify(BUILD))
  }

  folder(name: string): string {
    return join(this.path, name)
  }

  start(
    options: { data: string; port?: number; agent?: boolean },
    environment: Record<string, string> = {},
  ): RunningHost {
    const host = new RunningHost(
      {
        dataPath: this.folder(options.data),
        host: '127.0.0.1',
        port: options.port ?? 0,
        agent: options.agent ?? false,
        workerPath: join(this.path, 'worker'),
        agentPath: here('fake-agent.ts'),
      },
      environment,
    )
    this.#hosts.push(host)
    return host
  }

  lock(data: string): LockRecord {
    return JSON.parse(readFileSync(join(this.folder(data), 'server.lock'), 'utf8'))
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) await host.end('SIGTERM')
    rmSync(this.path, { recursive: true, force: true })
  }
}

export interface Said {
  address?: string
  apiKey?: string
  link?: string
  error?: string
  expected?: boolean
  stopped?: boolean
  agentError?: string
}

export class RunningHost {
  readonly process: ChildProcess
  readonly #lines: AsyncIterator<string>
  /** The exit code; null after a signal. */
  readonly exit: Promise<number | null>

  constructor(options: object, environment: Record<string, string>) {
    this.process = spawn(process.execPath, [here('run-host.ts'), JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...environment },
    })
    if (this.process.stdout === null) throw new Error('stdout is a pipe here')
    this.#lines = createInterface(this.process.stdout)[Symbol.asyncIterator]()
    this.exit = once(this.process, 'exit').then(([code]) => code)
  }

  /** The next thing it says. */
  async said(): Promise<Said> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the host ended without a word')
    return JSON.parse(value)
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal)
    return this.exit
  }
}

const BUILD: HostBuild = {
  compatibilityDate: '2026-10-12',
  compatibilityFlags: [],
  bindings: { DB: { type: 'd1', id: '00000000-0000-0000-0000-00000000da15', dev: { remote: false } } },
  exports: {},
  assets: null,
  migrations: [
    {
      name: '0001_visits.sql',
      statements: ['CREATE TABLE visits (id INTEGER PRIMARY KEY, note TEXT NOT NULL)'],
    },
    {
      name: '0002_index.sql',
      statements: ["INSERT INTO visits (note) VALUES ('first')", 'DELETE FROM visits'],
    },
  ],
}
