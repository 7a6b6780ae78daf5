import { setTimeout as sleep } from 'node:timers/promises'
import type { Box } from '#tests/e2e/kit/box.ts'
import type { Server } from '#tests/e2e/kit/server.ts'
import { descendants, killHard } from './processes.ts'

export type FaultKind = 'engine child' | 'agent' | 'workerd' | 'server'

/** How often each strikes, out of ten. */
const SHARES: readonly (readonly [FaultKind, number])[] = [
  ['engine child', 4],
  ['agent', 3],
  ['workerd', 1.5],
  ['server', 1.5],
]

/** kill -9 here and there, at times that the seed says; whatever dies is started again. */
export class Faults {
  readonly counts = new Map<FaultKind, number>()
  readonly #server: Server
  readonly #boxes: readonly Box[]
  readonly #random: () => number
  readonly #note: (text: string) => void
  readonly #returning = new Map<Box, Promise<void>>()

  constructor(parts: {
    readonly server: Server
    readonly boxes: readonly Box[]
    readonly random: () => number
    readonly note: (text: string) => void
  }) {
    this.#server = parts.server
    this.#boxes = parts.boxes
    this.#random = parts.random
    this.#note = parts.note
  }

  /** Resolves when the time is over and everything that was killed is back. */
  async rage(untilMs: number): Promise<void> {
    for (;;) {
      await sleep(500 + this.#random() * 3_500)
      if (performance.now() > untilMs) break
      const kind = this.#kind()
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
      await this.#strike(kind)
    }
    await Promise.all(this.#returning.values())
  }

  #kind(): FaultKind {
    let rest = this.#random() * 10
    for (const [kind, share] of SHARES) {
      rest -= share
      if (rest < 0) return kind
    }
    return 'engine child'
  }

  async #strike(kind: FaultKind): Promise<void> {
    switch (kind) {
      case 'engine child':
        return this.#killEngine(this.#box())
      case 'agent':
        return this.#killAgent(this.#box())
      case 'workerd':
        for (const { pid, command } of descendants(this.#server.pid)) {
          if (!/workerd\S* serve/.test(command)) continue
          this.#note(`kill -9 workerd ${pid}`)
          killHard(pid)
        }
        return
      case 'server':
        this.#note(`kill -9 server ${this.#server.pid}`)
        await this.#server.kill()
        await this.#server.start()
        this.#note('the server is back')
    }
  }

  #box(): Box | undefined {
    const there = this.#boxes.filter((box) => !this.#returning.has(box))
    return there[Math.floor(this.#random() * there.length)]
  }

  #killEngine(box: Box | undefined): void {
    if (box === undefined) return
    const all = descendants(box.pid).filter(({ command }) => command.includes('engine-child.ts'))
    // Transcribers run most of the time: there it hurts.
    const transcribers = all.filter(({ command }) => /transcribe|ctc/.test(command))
    const engines = this.#random() < 0.75 ? transcribers : all
    const engine = engines[Math.floor(this.#random() * engines.length)]
    if (engine === undefined) return
    this.#note(`kill -9 engine child ${engine.pid} of ${box.name}`)
    killHard(engine.pid)
  }

  async #killAgent(box: Box | undefined): Promise<void> {
    if (box === undefined) return
    this.#note(`kill -9 agent ${box.name}`)
    // Sometimes back within its lease, sometimes after it.
    const awayMs = this.#random() * 10_000
    await box.kill()
    const back = sleep(awayMs)
      .then(() => box.start())
      .then(() => {
        this.#returning.delete(box)
        this.#note(`${box.name} is back`)
      })
    this.#returning.set(box, back)
  }
}
