import type { Machine, Step } from '#core/machine.ts'
import { earliest } from '#core/outbox.ts'
import { type Answer, Loop } from '#objects/loop.ts'
import { Disk } from './disk.ts'
import type { Message } from './mail.ts'
import type { World } from './world.ts'

/** So late what had a timer in memory is driven again after a crash. */
const AFTER_CRASH_MS = 20_000
/** After an alarm's handler failed, the platform calls it again this much later. */
const ALARM_AGAIN_MS = 2_000

/** What a call brought: a reply, or nothing, because the object died under it or could not be reached. */
export type Told<Reply> = { readonly ok: true; readonly reply: Reply } | { readonly ok: false }
const NOTHING: Told<never> = { ok: false }

/** What goes wrong by plan. Anything else that is thrown is a finding. */
export class Planned extends Error {}
/** Made once: a stack for each would cost more than all else. */
const BROKEN = new Planned('the connection broke')
const FULL = new Planned('the disk is full')

/**
 * A Durable Object as the platform runs it: the product's loop and machine over records that outlive it, one alarm, and a
 * memory that may go at every boundary. It is loaded by whatever touches it next.
 */
export abstract class SimObject<State, Input, Effect, Reply> {
  readonly name: string
  readonly disk = new Disk()
  alarmMs: number | null = null
  /** Goes with the memory. */
  #timerMs: number | null = null
  crashBefore: number | null = null
  isSaveFailing = false
  isOut = false
  /** Grows with each time in memory: answers for an earlier one go nowhere. */
  life = 0
  protected readonly world: World
  #loop: Loop<State, Input, Effect, Reply> | null = null
  protected isDying = false
  /** A step's save failed: what it changed in place is in memory and not on disk. */
  #isAhead = false
  #performed = 0
  #step: { readonly input: Input; readonly step: Step<State, Effect, Reply> } | null = null

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
  }

  protected abstract readonly machine: Machine<State, Input, Effect, Reply>
  protected abstract readonly soonMs: number
  /** From the disk. */
  protected abstract load(): State
  protected abstract wakeInput(): Input
  protected abstract perform(effect: Effect, answer: Answer<Input>): void
  protected abstract effectId(effect: Effect): string | null
  /** A step that is durable now; its effects have not begun. */
  protected abstract committed(input: Input, step: Step<State, Effect, Reply>): void
  /** Memory goes; `isSaved` says whether all of it was. */
  protected abstract forgotten(state: State, isSaved: boolean): void
  protected started(_loop: Loop<State, Input, Effect, Reply>): void {}

  get state(): State | null {
    return this.#loop?.state ?? null
  }

  get isLoaded(): boolean {
    return this.#loop !== null
  }

  /** When it is woken by itself, by its timer or its alarm. */
  get wakeMs(): number | null {
    return this.isOut ? null : earliest([this.#timerMs, this.alarmMs])
  }

  get isAlarmDue(): boolean {
    const { wakeMs } = this
    return wakeMs !== null && wakeMs <= this.world.nowMs
  }

  tell(input: Input): Told<Reply> {
    if (this.isOut) return NOTHING
    return this.turn((loop) => loop.handle(input))
  }

  fireAlarm(): void {
    if (this.#timerMs !== null && this.#timerMs <= this.world.nowMs) {
      this.#timerMs = null
      this.turn((loop) => loop.timer())
      return
    }
    const told = this.turn((loop) => {
      this.alarmMs = null
      loop.alarm()
    })
    if (!told.ok) this.alarmMs ??= this.world.nowMs + ALARM_AGAIN_MS
  }

  /** Into memory, if it is not there. */
  wakeUp(): void {
    this.turn(() => {})
  }

  evict(): void {
    this.isDying = false
    if (this.#loop === null) return
    this.forgotten(this.#loop.state, !this.#isAhead)
    this.#isAhead = false
    this.#loop = null
    this.#timerMs = null
    this.life++
    this.world.count('evictions')
  }

  /** One synchronous turn of the object, with whatever was planned to go wrong in it. */
  protected turn<Result>(run: (loop: Loop<State, Input, Effect, Reply>) => Result): Told<Result> {
    this.#performed = 0
    this.#step = null
    let told: Told<Result> = NOTHING
    try {
      const loop = this.#loop ?? this.#start()
      if (!this.isDying) told = { ok: true, reply: run(loop) }
    } catch (cause) {
      this.isDying = true
      if (!(cause instanceof Planned)) this.world.threw(this.name, cause)
    }
    if (this.crashBefore !== null) this.#die()
    if (this.isDying) {
      this.evict()
      return NOTHING
    }
    this.#checkAlarm()
    return told
  }

  /**
   * A call of this object. Its answer's inputs come back one after the other, the last as the answer of the effect.
   * `serve` runs where the call arrives, and may do so twice.
   */
  protected call<Result>(
    name: string,
    serve: (as: 'retryable' | 'terminal' | undefined) => Told<Result>,
    inputs: (result: Result) => readonly Input[],
    answer: Answer<Input>,
  ): void {
    const { life } = this
    const fail = (): void => {
      if (this.life === life) this.turn(() => answer.failed(BROKEN))
    }
    const { mail, nowMs } = this.world
    const again = (): Message => ({
      ...call,
      sentAtMs: this.world.nowMs,
      arrive: (as) => void serve(as),
      lose: () => {},
    })
    const call: Message = {
      name,
      sentAtMs: nowMs,
      arrive: (as) => {
        const told = serve(as)
        if (told.ok) this.#answer(name, life, inputs(told.reply), answer, fail)
        else fail()
      },
      lose: fail,
      copy: again,
    }
    mail.send(call)
  }

  /** Work of its own that takes a moment: nothing loses it but a crash. */
  protected later(name: string, work: () => void): void {
    const { life } = this
    this.world.mail.send({
      name,
      sentAtMs: this.world.nowMs,
      arrive: () => {
        if (this.life === life) this.turn(work)
      },
      lose: null,
      copy: null,
    })
  }

  #answer(
    name: string,
    life: number,
    inputs: readonly Input[],
    answer: Answer<Input>,
    fail: () => void,
  ): void {
    const { world } = this
    const take = (end: (loop: Loop<State, Input, Effect, Reply>, last: Input | null) => void): void => {
      if (this.life !== life) return
      this.turn((loop) => {
        for (const input of inputs.slice(0, -1)) {
          loop.handle(input)
          if (this.isDying) return
        }
        end(loop, inputs.at(-1) ?? null)
      })
    }
    const first: Message = {
      name: `answer to ${name}`,
      sentAtMs: world.nowMs,
      arrive: () => take((_loop, last) => answer.ok(last)),
      lose: fail,
      copy: () => ({
        ...first,
        sentAtMs: world.nowMs,
        arrive: () => take((loop, last) => last !== null && loop.handle(last)),
        lose: () => {},
      }),
    }
    world.mail.send(first)
  }

  #start(): Loop<State, Input, Effect, Reply> {
    const { life } = this
    const machine: Machine<State, Input, Effect, Reply> = {
      step: (state, input, nowMs) => {
        const step = this.machine.step(state, input, nowMs)
        this.#step = { input, step }
        return step
      },
      nextWakeMs: (state) => this.machine.nextWakeMs(state),
    }
    const loop = new Loop<State, Input, Effect, Reply>({
      name: this.name,
      machine,
      state: this.load(),
      records: { write: (changes) => this.#save(changes) },
      storage: {
        setAlarm: (atMs) => {
          if (!this.isDying) this.alarmMs = atMs
        },
      },
      setTimer: (afterMs) => {
        if (!this.isDying) this.#timerMs = afterMs === null ? null : this.world.nowMs + afterMs
      },
      soonMs: this.soonMs,
      armedMs: this.alarmMs,
      nowMs: () => this.world.nowMs,
      log: (event, cause) => {
        if (!(cause instanceof Planned)) this.world.threw(event, cause)
      },
      wakeInput: () => this.wakeInput(),
      restart: () => {
        this.isDying = true
      },
      perform: (effect, answer) => {
        if (this.isDying || this.life !== life) return
        if (this.crashBefore === this.#performed) this.#die()
        else {
          this.#performed++
          this.perform(effect, answer)
        }
      },
      effectId: (effect) => this.effectId(effect),
    })
    this.#loop = loop
    this.started(loop)
    return loop
  }

  #save(changes: Parameters<Disk['write']>[0]): void {
    if (this.isSaveFailing) {
      this.isSaveFailing = false
      this.#isAhead = true
      this.world.count('failed saves')
      throw FULL
    }
    this.disk.write(changes)
    if (this.#step !== null) this.committed(this.#step.input, this.#step.step)
  }

  #die(): void {
    this.crashBefore = null
    this.isDying = true
    this.world.count('crashes')
  }

  /** What is unanswered is always driven again. A load alone arms nothing: what was armed before it still is. */
  #checkAlarm(): void {
    if (this.#loop === null || this.#step === null) return
    const wakeMs = this.machine.nextWakeMs(this.#loop.state)
    if (wakeMs === null) return
    const byMs = Math.max(wakeMs, this.world.nowMs + 1)
    const wakes = earliest([this.#timerMs, this.alarmMs])
    if (wakes === null || wakes > byMs)
      this.world.violated('L3', `${this.name} wants a wake, and nothing is set for it`)
    if (this.alarmMs === null || this.alarmMs > byMs + AFTER_CRASH_MS)
      this.world.violated('L3', `${this.name} wants a wake that a crash would lose`)
  }
}
