import { isUtf8 } from 'node:buffer'
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
  /** The clocks of unloads that have no answer yet. */
  readonly #unloads = new Set<NodeJS.Timeout>()
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
      onMute: () => this.#break(crashed(`${this.#name} closed its stdout.${this.#tail()}`)),
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
    // A program does one thing after the other: it may get to an unload only now.
    for (const late of this.#unloads) late.refresh()
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

  /**
   * Frees a model. A program that has nothing else to do and does not answer in time is killed, which frees it as well; one
   * that works for another model has its time after that.
   */
  async unload(model: string): Promise<void> {
    const late = setTimeout(() => {
      if (this.#exchanges.size <= this.#unloads.size) this.kill()
    }, this.#description.unload_seconds * 1000)
    this.#unloads.add(late)
    try {
      await this.ask({ type: 'unload', model }, 'unloaded')
    } catch (error) {
      if (!(error instanceof EngineError) || this.isAlive) throw error
    } finally {
      this.#unloads.delete(late)
      clearTimeout(late)
    }
  }

  /** Ends the program: asked first, killed after the grace. What waits for it fails at once. Resolves when it is gone. */
  async shutDown(): Promise<void> {
    const grace = setTimeout(() => this.kill(), this.#description.grace_seconds * 1000)
    if (this.isAlive) this.#send({ type: 'shutdown' })
    this.#fail(crashed(`${this.#name} was shut down.`))
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

  #read(bytes: Buffer): void {
    if (this.#fault !== null) return
    const line = bytes.toString()
    if (!line.includes('"type"')) {
      this.#program.note(`${line}\n`)
      return
    }
    const message = isUtf8(bytes) ? parsed(line) : 'came one that is no UTF-8'
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

  /** It goes, for the first fault. */
  #break(fault: EngineError): EngineError {
    if (this.#fault === null) this.kill()
    return this.#fail(fault)
  }

  /** The first fault counts: everything that waits hears of it, for nothing that comes later is read. */
  #fail(fault: EngineError): EngineError {
    if (this.#fault !== null) return this.#fault
    this.#fault = fault
    this.#hello.reject(fault)
    const waiting = [...this.#exchanges.values()]
    this.#exchanges.clear()
    for (const exchange of waiting) exchange.fail(fault)
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
