import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io } from '#cli/io.ts'
import { run } from '#cli/run.ts'

/** A terminal that remembers: `dalston` in this process, with a folder of its own and Ctrl-C under the test's control. */
export class Terminal {
  readonly folder = mkdtempSync(join(tmpdir(), 'dalston-cli-test-'))
  out = ''
  err = ''
  readonly #first = new AbortController()
  readonly #second = new AbortController()
  readonly #io: Io

  constructor(environment: Record<string, string>, terminal: { columns: number } | null = null) {
    this.#io = {
      out: (text) => {
        this.out += text
      },
      err: (text) => {
        this.err += text
      },
      environment: { DALSTON_DATA: this.file('data'), ...environment },
      canRedraw: terminal !== null,
      columns: () => terminal?.columns ?? 80,
      listenForInterrupts: () => ({
        first: this.#first.signal,
        second: this.#second.signal,
        mayRepeat: () => true,
      }),
    }
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, content = 'RIFF'): string {
    writeFileSync(this.file(name), content)
    return this.file(name)
  }

  dalston(...parameters: string[]): Promise<number> {
    return run(parameters, this.#io)
  }

  interrupt(): void {
    if (this.#first.signal.aborted) this.#second.abort()
    this.#first.abort()
  }

  close(): void {
    rmSync(this.folder, { recursive: true })
  }
}
