import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, runTranscribe } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { toneSpeech, writeToneModel } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const load = (path: string) => loadModel(modelFilesIn(path))

const bound = await load(
  writeToneModel(folder.join('bound'), { 'lexicon.txt': 'the\ncet\nset\nsat\non\nmet\n' }),
)
const greedy = await load(writeHubModel(folder.join('greedy')))

/** One text over the other, the first a hair louder. */
function blurred(louder: string, quieter: string): Float32Array {
  const second = toneSpeech([quieter])
  return toneSpeech([louder]).map((sample, at) => 0.71 * sample + 0.7 * (second[at] ?? 0))
}

async function transcribe(model: typeof bound, sound: Float32Array, vocabulary: string[]) {
  const { segments, summary } = await runTranscribe(ctc, model, sound, folder.fresh('run'), {
    parameters: { vocabulary },
  })
  return { text: segments.map((segment) => segment.text).join(' '), segments, summary }
}

describe('[C18] a caller’s vocabulary', () => {
  it('is a bonus in a greedy model’s search: the letters that were nearly heard', async () => {
    const sound = blurred('the cet sat', 'the cat sat')
    expect((await transcribe(greedy, sound, [])).text).toBe('THE CET SAT')
    const { text, segments, summary } = await transcribe(greedy, sound, ['Cat'])
    expect(text).toBe('THE CAT SAT')
    expect(segments[0]?.words[1]).toMatchObject({ text: 'CAT', start: 0.602, end: 1.003 })
    expect(summary.warnings).toEqual([])
  })

  it('adds words that the lexicon has not, for this task', async () => {
    const sound = blurred('the cet sat', 'the cat sat')
    expect((await transcribe(bound, sound, [])).text).toBe('the cet sat')
    expect((await transcribe(bound, sound, ['cat'])).text).toBe('the cat sat')
    expect((await transcribe(bound, toneSpeech(['the zebra sat']), ['Zebra'])).text).toBe('the zebra sat')
    expect((await transcribe(bound, sound, [])).text).toBe('the cet sat')
  })

  it('has phrases of several words: one alone is none', async () => {
    const sound = blurred('cet met', 'sat met')
    expect((await transcribe(bound, sound, ['sat on'])).text).toBe('cet met')
    expect((await transcribe(bound, sound, ['sat met'])).text).toBe('sat met')
  })

  it('does not put words where they were not said', async () => {
    const { text } = await transcribe(greedy, toneSpeech(['the cat sat on the mat']), [
      'hat',
      'Dalston',
      'on a',
    ])
    expect(text).toBe('THE CAT SAT ON THE MAT')
  })

  it('of terms that the model cannot write: told in a warning', async () => {
    const { text, summary } = await transcribe(greedy, toneSpeech(['cat']), ['Route 66', '東京', 'cat'])
    expect(text).toBe('CAT')
    expect(summary.warnings).toEqual([
      {
        stage: 'transcribe',
        code: 'vocabulary_unspelled',
        message:
          'This model has no letters for these terms of the vocabulary, they were left out: Route 66, 東京.',
      },
    ])
  })
})
