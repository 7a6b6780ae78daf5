import { EngineError } from '../engine.ts'
import type { ProcessDescription } from './description.ts'
import { badOutput, crashed, firstIssue, unavailable } from './faults.ts'
import {
  type Answer,
  type Hello,
  type Notice,
  ProgramMessage,
  type Request,
  WIRE_VERSION,
} from './messages.ts'
import { Program } from './program.ts'

/** One request's ear. `receive` says whether the message belongs to such a request at all. */
export interface Exchange {
  receive(answer: Answer): boolean
  /** Called once, last: the program failed the request, or is gone. */
  fail(error: EngineError): void
}

/** Talks with one program: who asked what, and what becomes of it when the program goes wrong. */
export class ProgramLink {
  readonly #description: ProcessDescription
  readonly #program: Program
  readonly #exchanges = new Map<number, Exchange>()
  readonly #hello = Promise.withResolvers<Hello>()
  readonly #ended = Promise.withResolvers<void>()
  #lastId = 0
  #greeted = false
  /** Why it is of no use any more. */
  #fault: EngineError | null = null

  /** Starts the program; resolves when it said hello and is what the description says. */
  static async start(description: ProcessDescription, folder: string): Promise<ProgramLink> {
    const link = new ProgramLink(description, folder)
    const seconds = description.hello_seconds
    const late = setTimeout(() => {
      link.#break(unavailable(`${link.#name} said no hello within ${seconds} s.${link.#tail()}`))
    }, seconds * 1000)
    try {
      const hello = await link.#hello.promise
      const problem = mismatch(hello, description)
      if (problem !== null)
        throw link.#break(unavailable(`${link.#name} is not what was described: ${problem}`))
      return link
    } finally {
      clearTimeout(late)
    }
  }

  private constructor(description: ProcessDescription, folder: string) {
    this.#description = description
    this.#hello.promise.catch(() => {})
    this.#program = new Program({
      command: description.command,
      folder,
      onLine: (line) => this.#read(line),
      onFlood: (problem) =>
        this.#break(badOutput(`${this.#name}: ${problem} on its stdout, a longer one came.`)),
      onEnd: (how) => this.#end(how),
    })
  }

  get isAlive(): boolean {
    return this.#fault === null
  }

  get pid(): number {
    return this.#program.pid
  }

  /** Sends a request; its answers go to the exchange until that is forgotten. Fails at once when the program is gone. */
  open(request: Request, exchange: Exchange): number {
    this.#lastId += 1
    if (this.#fault !== null) exchange.fail(this.#fault)
    else {
      this.#exchanges.set(this.#lastId, exchange)
      this.#send({ ...request, id: this.#lastId })
    }
    return this.#lastId
  }

  /** Nobody listens any more: what still comes of this request is dropped. */
  forget(id: number): void {
    this.#exchanges.delete(id)
  }

  notify(id: number, notice: Notice): void {
    if (this.isAlive) this.#send({ ...notice, id })
  }

  /** One request with one answer. */
  ask(request: Request, answer: 'loaded' | 'unloaded'): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = this.open(request, {
        receive: ({ type }) => {
          if (type !== answer) return false
          this.forget(id)
          resolve()
          return true
        },
        fail: reject,
      })
    })
  }

  /** Ends the program: asked first, killed after the grace. Resolves when it is gone. */
  async shutDown(): Promise<void> {
    const grace = setTimeout(() => this.kill(), this.#description.grace_seconds * 1000)
    if (this.isAlive) this.#send({ type: 'shutdown' })
    this.#fault ??= crashed(`${this.#name} was shut down.`)
    this.#program.endInput()
    await this.#ended.promise
    clearTimeout(grace)
  }

  kill(): void {
    this.#program.kill()
  }

  /** Resolves when the program is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  #send(message: object): void {
    this.#program.write(`${JSON.stringify(message)}\n`)
  }

  #read(line: string): void {
    if (this.#fault !== null) return
    if (!line.includes('"type"')) {
      this.#program.note(`${line}\n`)
      return
    }
    const message = parsed(line)
    if (typeof message === 'string') {
      this.#break(badOutput(`${this.#name}: expected a message in a line of its own, ${message}`))
      return
    }
    this.#receive(message)
  }

  #receive(message: ProgramMessage): void {
    if (message.type === 'hello') {
      if (this.#greeted) this.#break(badOutput(`${this.#name}: expected one hello, a second one came.`))
      this.#greeted = true
      this.#hello.resolve(message)
      return
    }
    if (message.type === 'error' && message.id === null) {
      const { code, message: text, retryable } = message
      this.#break(new EngineError({ code, message: text.slice(0, 2000), retryable }))
      return
    }
    const id = message.id ?? 0
    if (!this.#greeted || id > this.#lastId) {
      const what = this.#greeted ? `of a request ${id} that it never got` : 'before its hello'
      this.#break(badOutput(`${this.#name}: ${message.type} ${what}.`))
      return
    }
    const exchange = this.#exchanges.get(id)
    // Of a request that is over: it was cancelled, and this crossed with it.
    if (exchange === undefined) return
    if (message.type === 'error') {
      const { code, message: text, retryable } = message
      this.forget(id)
      exchange.fail(new EngineError({ code, message: text.slice(0, 2000), retryable }))
    } else if (!exchange.receive(message)) {
      this.#break(badOutput(`${this.#name}: ${message.type} is no answer to request ${id}.`))
    }
  }

  #end(how: string): void {
    this.#break(
      this.#greeted ? crashed(`${this.#name} ended (${how}).${this.#tail()}`) : this.#neverStarted(how),
    )
    this.#ended.resolve()
  }

  /** The shell's own codes for what it could not start. */
  #neverStarted(how: string): EngineError {
    const [program = ''] = this.#description.command
    if (how === 'exit code 127')
      return unavailable(
        `${this.#name}: ${program} was not found. Install it, or give its full path as command.`,
      )
    if (how === 'exit code 126') return unavailable(`${this.#name}: ${program} may not be executed.`)
    return unavailable(`${this.#name} ended before its hello (${how}).${this.#tail()}`)
  }

  /** The first fault counts: everything that waits hears of it, and the program goes. */
  #break(fault: EngineError): EngineError {
    if (this.#fault !== null) return this.#fault
    this.#fault = fault
    this.#hello.reject(fault)
    for (const exchange of this.#exchanges.values()) exchange.fail(fault)
    this.#exchanges.clear()
    this.kill()
    return fault
  }

  get #name(): string {
    return `The program of engine ${this.#description.manifest.id}`
  }

  #tail(): string {
    const { tail } = this.#program
    return tail === '' ? '' : ` It last wrote: ${tail}`
  }
}

function parsed(line: string): ProgramMessage | string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'came a line that is no JSON, or JSON among other text: keep libraries off stdout'
  }
  const message = ProgramMessage.safeParse(value)
  return message.success ? message.data : firstIssue(message.error)
}

function mismatch(hello: Hello, { manifest }: ProcessDescription): string | null {
  if (hello.version !== WIRE_VERSION)
    return `expected version ${WIRE_VERSION} of the wire, ${hello.name} speaks ${hello.version}`
  const missing = manifest.stages.find((stage) => !hello.stages.includes(stage))
  if (missing !== undefined) return `the manifest has the stage ${missing}, ${hello.name} has not`
  if (manifest.capabilities.native_streaming && !hello.streaming)
    return `the manifest has native streaming, ${hello.name} has not`
  return null
}
