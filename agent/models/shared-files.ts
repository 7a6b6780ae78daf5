import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Digests } from './digests.ts'
import type { ModelStore } from './store.ts'
import { untilAborted } from './until-aborted.ts'

/**
 * Models share files: what one has is not fetched again for another. A digest is fetched once at a time; who comes second
 * waits, and then finds it here.
 */
export class SharedFiles {
  readonly #store: ModelStore
  readonly #digests: Digests
  readonly #underway = new Map<string, Promise<unknown>>()
  /** Fetched by this process, and perhaps not installed yet. */
  readonly #fetched = new Map<string, string>()

  constructor(store: ModelStore, digests: Digests) {
    this.#store = store
    this.#digests = digests
  }

  /** Puts the file of this digest at `target` by a link, or says false: then `fetch` brought it there. */
  async obtain(
    sha256: string,
    target: string,
    fetch: () => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (let other = this.#underway.get(sha256); other !== undefined; other = this.#underway.get(sha256))
      await untilAborted(
        other.catch(() => {}),
        signal,
      )
    const work = this.#bring(sha256, target, fetch)
    this.#underway.set(sha256, work)
    try {
      return await work
    } finally {
      this.#underway.delete(sha256)
    }
  }

  async #bring(sha256: string, target: string, fetch: () => Promise<unknown>): Promise<boolean> {
    const lent = await this.#lend(sha256, target)
    if (!lent) {
      await fetch()
      await this.#digests.note(target, sha256)
    }
    this.#fetched.set(sha256, target)
    return lent
  }

  /** Linked first and read then: a read takes seconds, in which the model that lends may be installed, and so move. */
  async #lend(sha256: string, target: string): Promise<boolean> {
    if (this.#fetched.get(sha256) === target && (await this.#isRight(target, sha256))) return true
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    const draft = `${target}.lent`
    const tried = new Set([target])
    for (;;) {
      const path = await this.#store.whileStill(() => this.#link(this.#placesOf(sha256, tried), draft))
      if (path === null) return false
      tried.add(path)
      const isRight = await this.#isRight(draft, sha256)
      if (isRight) {
        await rename(draft, target)
        await this.#digests.noteLink(draft, target)
      }
      // Also where it was the same file already: a rename leaves it then.
      await rm(draft, { force: true })
      if (isRight) return true
    }
  }

  async #isRight(path: string, sha256: string): Promise<boolean> {
    return (await this.#digests.sha256Of(path).catch(() => null)) === sha256
  }

  /** The first place that lends. A file system without links copies. */
  async #link(places: readonly string[], draft: string): Promise<string | null> {
    for (const path of places) {
      await rm(draft, { force: true })
      const isHere = await link(path, draft)
        .catch(() => copyFile(path, draft))
        .then(
          () => true,
          () => false,
        )
      if (!isHere) continue
      await this.#digests.noteLink(path, draft)
      return path
    }
    return null
  }

  #placesOf(sha256: string, tried: ReadonlySet<string>): string[] {
    const installed = this.#store.models.flatMap(({ folder, installed: { files } }) =>
      files.filter((file) => file.sha256 === sha256).map((file) => `${folder}/${file.path}`),
    )
    const fetched = this.#fetched.get(sha256)
    const places = fetched === undefined ? installed : [...installed, fetched]
    return places.filter((path) => !tried.has(path))
  }
}
