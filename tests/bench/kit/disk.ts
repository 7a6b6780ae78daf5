import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { median, type Report } from '../bench.ts'

const ROUNDS = 50
const PAGE_BYTES = 4096

/**
 * How long this machine's disk takes to keep a page. The runtime waits for that with its one thread at each write of an
 * object, of D1 and of R2: a figure of the real server means little without it. TMPDIR names another place.
 */
export function reportDisk(report: Report): void {
  using folder = new TempFolder()
  const file = openSync(folder.join('page'), 'w')
  const page = Buffer.alloc(PAGE_BYTES, 7)
  const times = Array.from({ length: ROUNDS }, () => {
    const startMs = performance.now()
    writeSync(file, page)
    fsyncSync(file)
    return performance.now() - startMs
  })
  closeSync(file)
  const figure = 'fsync of a page, median'
  report({
    bench: 'load',
    case: 'this disk',
    figure,
    value: median(times),
    unit: 'ms',
    target: null,
    ok: null,
  })
}
