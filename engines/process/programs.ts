import type { ProcessDescription } from './description.ts'
import { ProgramLink } from './program-link.ts'

/**
 * The programs of one engine. Mostly it is one, which holds all models. Where a program ends with its model, each model has
 * one of its own: its end frees that model's memory, and nobody else's.
 */
export class Programs {
  readonly #description: ProcessDescription
  readonly #folder: string
  readonly #started = new Set<Promise<ProgramLink>>()
  #shared: Promise<ProgramLink> | null = null

  constructor(description: ProcessDescription, folder: string) {
    this.#description = description
    this.#folder = folder
  }

  /** The one for a model that comes. A shared one is started again where it is gone; two that ask at once get one. */
  forModel(): Promise<ProgramLink> {
    if (this.#isOwn) return this.#start()
    const before = this.#shared?.catch(() => null) ?? Promise.resolve(null)
    this.#shared = before.then((link) => (link?.isAlive ? link : this.#start()))
    return this.#shared
  }

  /** Its model is gone, or never came. A shared one stays for others. */
  async leave(link: ProgramLink): Promise<void> {
    if (this.#isOwn) await link.shutDown()
  }

  async shutDown(): Promise<void> {
    await this.#shared?.catch(() => null)
    const links = await Promise.all([...this.#started].map((starting) => starting.catch(() => null)))
    await Promise.all(links.map((link) => link?.shutDown()))
  }

  get #isOwn(): boolean {
    return this.#description.after_unload === 'exit'
  }

  #start(): Promise<ProgramLink> {
    const starting = ProgramLink.start(this.#description, this.#folder)
    this.#started.add(starting)
    const gone = () => void this.#started.delete(starting)
    starting.then((link) => link.ended).then(gone, gone)
    return starting
  }
}
