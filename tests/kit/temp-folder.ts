import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone when the test file's `using` ends, or when `dispose` is called in an `afterAll`. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'dalston-test-'))

  join(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
