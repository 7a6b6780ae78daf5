import { Dalston } from '#client/dalston.ts'
import { findAdminKey } from '#host/data-folder.ts'
import type { SettingVariable } from '#protocol/settings.ts'
import { Program } from './program.ts'

export type Variables = Readonly<Partial<Record<SettingVariable, string>>>

/** `dalston serve --no-agent` on a folder and a port of its own, which may be killed and come back. */
export class Server {
  readonly address: string
  readonly apiKey: string
  readonly client: Dalston
  readonly #dataPath: string
  readonly #variables: Variables
  #program: Program

  private constructor(program: Program, address: string, dataPath: string, variables: Variables) {
    this.#program = program
    this.address = address
    this.#dataPath = dataPath
    this.#variables = variables
    this.apiKey = findAdminKey(dataPath) ?? ''
    this.client = new Dalston({ server: address, apiKey: this.apiKey })
  }

  static async start(dataPath: string, variables: Variables = {}): Promise<Server> {
    const program = serve(dataPath, 0, variables)
    return new Server(program, await ready(program), dataPath, variables)
  }

  get pid(): number {
    return this.#program.pid
  }

  get text(): string {
    return this.#program.text
  }

  /** kill -9 of the server and the runtime. */
  async kill(): Promise<void> {
    await this.#program.kill()
  }

  /** In order. */
  async stop(): Promise<number | null> {
    return this.#program.end('SIGTERM')
  }

  /** Again, on the same folder and port; resolves when it says that it is ready. */
  async start(): Promise<void> {
    this.#program = serve(this.#dataPath, Number(new URL(this.address).port), this.#variables)
    await ready(this.#program)
  }
}

function serve(dataPath: string, port: number, variables: Variables): Program {
  return new Program(['serve', '--no-agent', '--data', dataPath, '--port', String(port)], variables)
}

async function ready(program: Program): Promise<string> {
  const [, address = ''] = await program.said(/Dalston is ready at (\S+)/)
  return address
}
