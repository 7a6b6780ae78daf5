import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ctc from '#engines/ctc/engine.ts'
import { type CtcModel, loadModel } from '#engines/ctc/model-folder.ts'
import prepare from '#engines/prepare/engine.ts'
import { Segment } from '#protocol/transcript.ts'
import { PARAMETERS } from '#tests/kit/engine-runs.ts'
import { wordErrorRate } from '#tests/kit/word-error-rate.ts'
import type { Bench } from './bench.ts'
import { type Spoken, spokenList } from './spoken-list.ts'

/** The embedded model's word error rate on sentences that it never saw, through this project's own engines. */
const MODEL = fileURLToPath(new URL('../../models/embedded/', import.meta.url))

export const bench: Bench = {
  name: 'wer',
  async run(report) {
    const list = await spokenList(join(MODEL, 'held-out.txt'))
    for (const greedy of [true, false]) {
      const model = await loadModel(
        { runtimeModelId: 'embedded-en', folder: MODEL, threads: 1, device: 'cpu' },
        { greedy },
      )
      const percent = 100 * wordErrorRate(await transcripts(list, model))
      await ctc.dispose(model)
      report({
        bench: 'wer',
        case: `held-out, ${greedy ? 'greedy' : 'beam'}, ${list.length} sentences`,
        figure: 'word error rate',
        value: Math.round(percent * 100) / 100,
        unit: '%',
        target: greedy ? null : '<= 8 (aim 5)',
        ok: greedy ? null : percent <= 8,
      })
    }
  },
}

/** [what was said, what was heard] of each sentence: prepare, then ctc. */
export async function transcripts(list: readonly Spoken[], model: CtcModel): Promise<[string, string][]> {
  const folder = mkdtempSync(join(tmpdir(), 'dalston-wer-'))
  try {
    const pairs: [string, string][] = []
    for (const { path, text } of list) pairs.push([text, await heard(path, folder, model)])
    return pairs
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The text of one recording. */
export async function heard(path: string, folder: string, model: CtcModel): Promise<string> {
  const context = { signal: new AbortController().signal, batchScale: 1, report: () => {} }
  const task = { outputFolder: folder, parameters: PARAMETERS }
  const prepared = await prepare.run(
    { ...task, stage: 'prepare', inputs: { upload: path } },
    await prepare.load(null),
    context,
  )
  const audio = {
    path: join(folder, 'audio.s16'),
    format: 's16le',
    start: 0,
    end: prepared.duration_seconds,
  } as const
  const inputs = { audio, speechRegions: join(folder, 'speech.jsonl') }
  await ctc.run({ ...task, stage: 'transcribe', inputs }, model, context)
  const lines = readFileSync(join(folder, 'transcript.jsonl'), 'utf8').split('\n')
  return lines
    .filter((line) => line !== '')
    .map((line) => Segment.parse(JSON.parse(line)).text)
    .join(' ')
}
