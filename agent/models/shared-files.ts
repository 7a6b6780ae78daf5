import { copyFile, link, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Digests } from './digests.ts'
import type { ModelStore } from './store.ts'

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
  async obtain(sha256: string, target: string, fetch: () => Promise<unknown>): Promise<boolean> {
    while (this.#underway.has(sha256)) await this.#underway.get(sha256)?.catch(() => {})
    const work = this.#lend(sha256, target).then(async (lent) => {
      if (!lent) await fetch()
      this.#fetched.set(sha256, target)
      return lent
    })
    this.#underway.set(sha256, work)
    try {
      return await work
    } finally {
      this.#underway.delete(sha256)
    }
  }

  async #lend(sha256: string, target: string): Promise<boolean> {
    for (const path of this.#placesOf(sha256)) {
      const actual = await this.#digests.sha256Of(path).catch(() => null)
      if (actual !== sha256) continue
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await rm(target, { force: true })
      const here = await link(path, target)
        .catch(() => copyFile(path, target))
        .then(
          () => true,
          () => false,
        )
      if (here) return true
    }
    return false
  }

  #placesOf(sha256: string): string[] {
    const installed = this.#store.models.flatMap(({ folder, installed: { files } }) =>
      files.filter((file) => file.sha256 === sha256).map((file) => `${folder}/${file.path}`),
    )
    const fetched = this.#fetched.get(sha256)
    return fetched === undefined ? installed : [...installed, fetched]
  }
}
