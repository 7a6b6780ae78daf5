import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { FakeHub } from '#tests/kit/fake-hub.ts'
import * as parakeetTones from '#tests/kit/parakeet-tones.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import * as ctcTones from '#tests/kit/tone-speech.ts'
import { TONE_SLOT_SECONDS, whisperTones, writeWhisperToneModel } from '#tests/kit/whisper-tones.ts'

/** What a model of the language of tones hears, and when. */
export interface ToneCase {
  readonly engine: string
  /** In the hub: `tones/NAME`; the id that `models add` gives it is NAME. */
  readonly name: string
  readonly sound: Float32Array
  readonly text: string
  /** Where each word begins and ends. */
  readonly times: readonly (readonly [start: number, end: number])[]
  /** How exactly the engine tells a time: a frame or two. */
  readonly withinSeconds: number
}

const SILENCE = { silence: 0.5 }

export const CTC: ToneCase = {
  engine: 'ctc',
  name: 'wav2vec2-tones',
  sound: ctcTones.toneSpeech([SILENCE, 'hello tone world', SILENCE]),
  text: 'HELLO TONE WORLD',
  times: timesOf('hello tone world', ctcTones.SLOT_SECONDS, 0.09),
  withinSeconds: 0.03,
}

export const PARAKEET: ToneCase = {
  engine: 'parakeet',
  name: 'parakeet-tones',
  sound: parakeetTones.toneSpeech([SILENCE, 'hello tone world', SILENCE]),
  text: 'hello tone world',
  times: timesOf('hello tone world', parakeetTones.SLOT_SECONDS, 0.24),
  withinSeconds: 0.1,
}

export const WHISPER: ToneCase = {
  engine: 'whisper',
  name: 'whisper-tones',
  sound: whisperTones([SILENCE, 'she is here to stay', SILENCE]),
  text: 'she is here to stay',
  // A space is the sound of the letter behind it.
  times: timesOf('she is here to stay', TONE_SLOT_SECONDS, 0.08, true),
  withinSeconds: 0.1,
}

/** A model of the catalog, whose files are those of the Parakeet case. */
export const IN_THE_CATALOG = {
  id: 'parakeet-tdt-0.6b-v3',
  encoder: 'istupakov/parakeet-tdt-0.6b-v3-onnx/encoder-model.int8.onnx',
}

/** A hub with a model of the language of tones for each engine, in the layouts of public ones. */
export async function toneHub(): Promise<FakeHub> {
  const hub = await FakeHub.start()
  using folder = new TempFolder()
  put(hub, 'tones/wav2vec2-tones', writeHubModel(folder.join('ctc')))
  put(hub, 'tones/parakeet-tones', parakeetTones.writeToneModel(folder.join('parakeet'), 'tdt'))
  writeWhisperToneModel(folder.join('whisper'))
  put(hub, 'tones/whisper-tones', folder.join('whisper'))
  put(hub, 'istupakov/parakeet-tdt-0.6b-v3-onnx', folder.join('parakeet'), '.int8.onnx')
  return hub
}

/** In seconds; each character has a slot, and sounds for a part of it. */
function timesOf(
  text: string,
  slotSeconds: number,
  toneSeconds: number,
  isSpaceSilent = false,
): ToneCase['times'] {
  let slot = 0
  return text.split(' ').map((word) => {
    const start = SILENCE.silence + slot * slotSeconds
    slot += word.length
    const end = SILENCE.silence + (slot - 1) * slotSeconds + toneSeconds
    if (!isSpaceSilent) slot += 1
    return [start, end] as const
  })
}

function put(hub: FakeHub, repository: string, folder: string, ending = '.onnx'): void {
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    const isNetwork = path.endsWith('.onnx')
    hub.put(repository, relative(folder, path).replace(/\.onnx$/, ending), readFileSync(path), isNetwork)
  }
}
