import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone when the test file's `using` ends, or when `dispose` is called in an `afterAll`. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'dalston-test-'))
  #given = 0

  join(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  /** A path in it that nobody had before: `run-1`, `run-2` ... */
  fresh(name: string): string {
    this.#given += 1
    return this.join(`${name}-${this.#given}`)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
