import { TempFolder } from '#tests/kit/temp-folder.ts'
import { baseWhisper, writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import type { Report } from './bench.ts'
import { WhisperChild } from './kit/whisper-child.ts'

/** The whisper engine in a real child: what its models leave in memory, and how soon it hears a cancel. */
const SWAPS = 100
const ROUNDS = 5
/** Eight chunks: a whole batch. */
const REGIONS = 8
const REGION_SECONDS = 29
const TARGET_MS = 2_000

export async function whisperSwaps(report: Report): Promise<void> {
  using folder = new TempFolder()
  writeRandomWhisper(folder.path, { seed: 1 })
  // Of weights that weigh something the load and the release alone, of small ones a transcription with each.
  await swaps(report, { what: '75 MiB, nothing said', folder: await baseWhisper('int8'), regions: 0 })
  await swaps(report, { what: '1.5 MiB, a second said', folder: folder.path, regions: 1 })
}

export async function whisperCancels(report: Report): Promise<void> {
  await using child = new WhisperChild(await baseWhisper('float'), null)
  const encoding: number[] = []
  const decoding: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // At another place each time: an encoder's run takes some 600 ms, a stretch of the decoder 300.
    encoding.push(await cancelled(child, 'encoder', 100 + 230 * round))
    decoding.push(await cancelled(child, 'decoder', 130 * round))
  }
  cancel(report, 'an encoder run', encoding)
  cancel(report, 'a decode of 8 chunks', decoding)
  const figure = { bench: 'swap', case: 'whisper cancelled', figure: 'children that had to be killed' }
  const value = child.children - 1
  report({ ...figure, value, unit: '', target: '0', ok: value === 0 })
}

interface Swapped {
  readonly what: string
  readonly folder: string
  readonly regions: number
}

async function swaps(report: Report, { what, folder, regions }: Swapped): Promise<void> {
  await using child = new WhisperChild(folder, 0)
  const afterMib: number[] = []
  for (let swap = 0; swap < SWAPS; swap++) {
    const answer = await child.start(regions, 1).ended
    if (!answer.ok) throw new Error(answer.error.message)
    afterMib.push(await child.released())
  }
  const [first = 0] = afterMib
  const last = afterMib.at(-1) ?? 0
  const figure = { bench: 'swap', case: `whisper, ${SWAPS} swaps of ${what}` }
  const plain = { ...figure, unit: 'MiB', target: null, ok: null }
  report({ ...plain, figure: 'resident after the first', value: first })
  report({ ...plain, figure: 'resident after the last', value: last })
  const growth = 100 * (last / first - 1)
  report({ ...figure, figure: 'growth', value: growth, unit: '%', target: '<= 10', ok: growth <= 10 })
  const value = child.children - 1
  report({ ...figure, figure: 'new children', value, unit: '', target: '0', ok: value === 0 })
}

/** Milliseconds from the cancel to the answer. */
async function cancelled(child: WhisperChild, half: 'encoder' | 'decoder', delayMs: number): Promise<number> {
  const { ended, heard, cancel } = child.start(REGIONS, REGION_SECONDS)
  // At 0 % it begins to encode; it says more only while it writes.
  await heard.take('its start', ({ progress }) => progress.percent === 0 && progress.message === null, 60_000)
  if (half === 'decoder') await heard.take('what it writes', ({ partial }) => partial !== null, 60_000)
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  const startMs = performance.now()
  cancel()
  const answer = await ended
  if (answer.ok) throw new Error('it ended before it was cancelled')
  return performance.now() - startMs
}

function cancel(report: Report, what: string, times: readonly number[]): void {
  const value = Math.round(Math.max(...times))
  const figure = { bench: 'swap', case: `whisper cancelled inside ${what}, ${ROUNDS} times` }
  report({
    ...figure,
    figure: 'slowest end',
    value,
    unit: 'ms',
    target: `<= ${TARGET_MS}`,
    ok: value <= TARGET_MS,
  })
}
