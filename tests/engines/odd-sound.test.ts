import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import type { Engine } from '#engines/engine.ts'
import parakeet from '#engines/parakeet/engine.ts'
import type { SpeechRegion } from '#protocol/audio.ts'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, runTranscribe } from '#tests/kit/engine-runs.ts'
import * as parakeetTones from '#tests/kit/parakeet-tones.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { toneSpeech, writeToneModel } from '#tests/kit/tone-speech.ts'

/** Sound that no recording has, and regions that no detector finds: every transcriber ends, and makes nothing up. */
const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

interface Case<Model> {
  readonly engine: Engine<'transcribe', Model>
  readonly write: (path: string) => string
  readonly sound: (text: string) => Float32Array
}

const tones = (text: string) => toneSpeech([text])
const slow = (text: string) => parakeetTones.toneSpeech([text])

describe('ctc', () => suite({ engine: ctc, write: writeToneModel, sound: tones }))
describe('ctc, hub layout', () => suite({ engine: ctc, write: writeHubModel, sound: tones }))
describe('parakeet, tdt', () =>
  suite({
    engine: parakeet,
    write: (path) => parakeetTones.writeToneModel(path, 'tdt'),
    sound: slow,
  }))
describe('parakeet, ctc', () =>
  suite({
    engine: parakeet,
    write: (path) => parakeetTones.writeToneModel(path, 'ctc'),
    sound: slow,
  }))

function suite<Model>({ engine, write, sound }: Case<Model>): void {
  let model: Model
  beforeAll(async () => {
    model = await engine.load(modelFilesIn(write(folder.fresh('model'))))
  })
  afterAll(() => engine.dispose(model))

  async function nothingIn(samples: Float32Array, regions?: readonly SpeechRegion[]) {
    const { segments, summary, reports } = await runTranscribe(engine, model, samples, folder.fresh('run'), {
      ...(regions === undefined ? {} : { regions }),
    })
    expect(segments).toEqual([])
    expect(summary).toMatchObject({ no_speech: true, word_count: 0 })
    expect(reports.at(-1)?.progress.percent).toBe(100)
  }

  it.each([0, 1, 2, 159, 160, 161, 399, 400, 719, 1280, 5000])(
    '[E3] a recording of %d samples of silence is completed, without words',
    (samples) => nothingIn(new Float32Array(samples)),
  )

  it('[E3] so are regions behind the end, without length, at the last sample, and longer than the recording', async () => {
    const sound = new Float32Array(40_000)
    for (const region of [
      { start: 3, end: 4 },
      { start: 1, end: 1 },
      { start: 2.5, end: 2.5 },
      { start: 2.499, end: 2.5 },
      { start: 2.4, end: 1e12 },
      { start: 1e15, end: 1e300 },
    ])
      await nothingIn(sound, [region])
  })

  it('[E3] so are ten thousand tiny regions', async () => {
    const regions = Array.from({ length: 10_000 }, (_, at) => ({ start: at / 1000, end: (at + 0.5) / 1000 }))
    await nothingIn(new Float32Array(160_000), regions)
  })

  it('[E5] a model that writes in every frame, and never ends a word, is held: text, partials and times stay in measure', async () => {
    const samples = sound('ab'.repeat(150))
    const { segments, reports } = await runTranscribe(engine, model, samples, folder.fresh('run'))
    const text = segments.map((segment) => segment.text).join('')
    expect(text.length).toBeGreaterThanOrEqual(295)
    expect(text.length).toBeLessThanOrEqual(400)
    for (const { partial } of reports) expect(partial?.text.length ?? 0).toBeLessThanOrEqual(1000)
    for (const [index, segment] of segments.entries()) {
      expect(segment.end).toBeLessThanOrEqual(samples.length / 16_000 + 0.1)
      expect(segment.start).toBeGreaterThanOrEqual(segments[index - 1]?.start ?? 0)
    }
  })
}
