import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One sentence of a list, and the recording of it. */
export interface Spoken {
  readonly id: string
  readonly text: string
  readonly path: string
}

const MAKE = fileURLToPath(new URL('../../models/embedded/make/', import.meta.url))

/** Reads `id<TAB>voice<TAB>text` lines, speaks each by the model build's own `speech.py`, writes 16 kHz WAV files. */
const PROGRAM = `
import sys
sys.path.insert(0, sys.argv[1])
from speech import speak, write_wav
for line in open(sys.argv[2]):
    name, voice, text = line.rstrip("\\n").split("\\t")
    write_wav(f"{sys.argv[3]}/{name}.wav", speak(voice, text))
`

/**
 * The recordings of a list, made anew where the cache has none of this list and these voices. Needs python3 with numpy,
 * espeak-ng and flite.
 */
export async function spokenList(listPath: string): Promise<Spoken[]> {
  const list = readFileSync(listPath, 'utf8')
  const key = createHash('sha256')
    .update(list)
    .update(readFileSync(join(MAKE, 'speech.py')))
    .digest('hex')
  const folder = join(tmpdir(), 'dalston-bench', key.slice(0, 16))
  if (!existsSync(folder)) await speakInto(folder, listPath)
  return list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', , text = ''] = line.split('\t')
      return { id, text, path: join(folder, `${id}.wav`) }
    })
}

/** Made beside and moved, so that a stop in between leaves no half cache. */
async function speakInto(folder: string, listPath: string): Promise<void> {
  const unfinished = `${folder}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  const child = spawn('/usr/bin/python3', ['-c', PROGRAM, MAKE, listPath, unfinished], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  })
  const [code] = await once(child, 'close')
  if (code !== 0) {
    rmSync(unfinished, { recursive: true, force: true })
    throw new Error('the sentences could not be spoken: python3 with numpy, espeak-ng and flite are needed')
  }
  renameSync(unfinished, folder)
}
