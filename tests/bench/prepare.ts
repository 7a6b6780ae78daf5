import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import prepare from '#engines/prepare/engine.ts'
import { PARAMETERS, recordingContext } from '#tests/kit/engine-runs.ts'
import { type Bench, median } from './bench.ts'

/** prepare on ten minutes of speech, stereo at 44.1 kHz, as people record it. Needs ffmpeg, which makes the files. */
const SAMPLE = fileURLToPath(new URL('../../models/embedded/samples/call.wav', import.meta.url))
const SECONDS = 600
const ROUNDS = 5

export const bench: Bench = {
  name: 'prepare',
  async run(report) {
    const folder = mkdtempSync(join(tmpdir(), 'dalston-bench-prepare-'))
    try {
      for (const format of ['mp3', 'wav', 'm4a']) {
        const upload = join(folder, `speech.${format}`)
        const shape = ['-t', String(SECONDS), '-ac', '2', '-ar', '44100']
        execFileSync('ffmpeg', [
          '-nostdin',
          '-loglevel',
          'error',
          '-stream_loop',
          '-1',
          '-i',
          SAMPLE,
          ...shape,
          upload,
        ])
        const ratio = SECONDS / (median(await times(upload, folder)) / 1000)
        report({
          bench: 'prepare',
          case: `${format}, ${SECONDS / 60} min of 44.1 kHz stereo`,
          figure: 'speed',
          value: Math.round(ratio),
          unit: 'x real time',
          target: format === 'mp3' ? '>= 200' : null,
          ok: format === 'mp3' ? ratio >= 200 : null,
        })
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** Milliseconds of each round. */
async function times(upload: string, outputFolder: string): Promise<number[]> {
  const { context } = recordingContext()
  const decoders = await prepare.load(null)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    const task = { stage: 'prepare', inputs: { upload }, outputFolder, parameters: PARAMETERS } as const
    await prepare.run(task, decoders, context)
    rounds.push(performance.now() - start)
  }
  return rounds
}
