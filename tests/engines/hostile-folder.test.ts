import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import type { Engine } from '#engines/engine.ts'
import parakeet from '#engines/parakeet/engine.ts'
import { writeHubModel } from '#tests/kit/ctc-hub-model.ts'
import { modelFilesIn, taskErrorOf } from '#tests/kit/engine-runs.ts'
import { tinyModel, writeRandomModel } from '#tests/kit/parakeet-models.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeToneModel } from '#tests/kit/tone-speech.ts'

/** Files of a model folder that are something else than a file of a sensible size. */
const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const SPOILS: readonly [string, (path: string) => void, RegExp][] = [
  ['a folder', (path) => mkdirSync(path), /is no file/],
  ['a pipe that nobody writes to', (path) => execFileSync('mkfifo', [path]), /is no file/],
  ['a link to a device', (path) => symlinkSync('/dev/zero', path), /is no file/],
  ['a link to itself', (path) => symlinkSync(path, path), /ELOOP|is missing/],
  ['a link to nothing', (path) => symlinkSync(`${path}.gone`, path), /is missing/],
]
const HUGE = (path: string) => {
  writeFileSync(path, '{')
  truncateSync(path, 40_000_000)
}

interface Kind<Model> {
  readonly engine: Engine<'transcribe', Model>
  readonly write: (path: string) => string
  readonly texts: readonly string[]
  readonly networks: readonly string[]
}

function suite<Model>({ engine, write, texts, networks }: Kind<Model>): void {
  const files = () => modelFilesIn(write(folder.fresh('model')))

  it.each([...texts, ...networks].flatMap((name) => SPOILS.map((spoil) => [name, ...spoil] as const)))(
    '[C11] [PK12] %s as %s is one error that names it',
    async (name, _, spoil, says) => {
      const model = files()
      rmSync(join(model.folder, name))
      spoil(join(model.folder, name))
      const error = await taskErrorOf(engine.load(model))
      expect(error).toMatchObject({ code: 'invalid_model', retryable: false })
      expect(error.message).toContain(name)
      expect(error.message).toMatch(says)
    },
  )

  it.each(texts)('[C11] [PK12] %s of many megabytes, or in another encoding, is not read', async (name) => {
    const model = files()
    HUGE(join(model.folder, name))
    expect((await taskErrorOf(engine.load(model))).message).toMatch(
      `${name}: has 40000000 bytes, expected at most 33554432`,
    )
    writeFileSync(join(model.folder, name), Buffer.from('{"a": "\xe9"}', 'latin1'))
    expect((await taskErrorOf(engine.load(model))).message).toMatch(`${name}: is no UTF-8 text`)
  })

  it('[C11] [PK12] links to files elsewhere, as a hub’s own cache has them, and byte order marks are fine', async () => {
    const model = files()
    for (const name of [...texts, ...networks]) {
      const elsewhere = folder.fresh('blob')
      renameSync(join(model.folder, name), elsewhere)
      symlinkSync(elsewhere, join(model.folder, name))
    }
    await engine.dispose(await engine.load(model))
  })
}

describe('ctc, own layout', () =>
  suite({ engine: ctc, write: writeToneModel, texts: ['config.json'], networks: ['model.onnx'] }))

describe('ctc, hub layout', () =>
  suite({
    engine: ctc,
    write: writeHubModel,
    texts: ['config.json', 'preprocessor_config.json', 'vocab.json'],
    networks: ['onnx/model.onnx'],
  }))

describe('parakeet, tdt', () =>
  suite({
    engine: parakeet,
    write: (path) => writeRandomModel(path, tinyModel('tdt', 1)),
    texts: ['config.json', 'vocab.txt'],
    networks: ['encoder-model.onnx', 'decoder_joint-model.onnx'],
  }))

describe('parakeet, ctc', () =>
  suite({
    engine: parakeet,
    write: (path) => writeRandomModel(path, tinyModel('ctc', 1)),
    texts: ['config.json', 'vocab.txt'],
    networks: ['model.onnx'],
  }))
