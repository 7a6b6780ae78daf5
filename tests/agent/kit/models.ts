import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { z } from 'zod'
import type { CatalogModel } from '#protocol/model.ts'

/** A catalog entry with one file, of the scripted transcriber, under `rootFolder/models`. Returns the file's path. */
export async function aModel(rootFolder: string, content = 'weights'): Promise<string> {
  const folder = join(rootFolder, 'models', 'tiny')
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'model.onnx')
  await writeFile(path, content)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const entry: z.input<typeof CatalogModel> = {
    id: 'tiny-en',
    name: 'Tiny',
    description: 'For tests.',
    engine: 'scripted-ctc',
    runtime_model_id: 'tiny',
    stage: 'transcribe',
    source: { kind: 'bundled', path: 'models/tiny' },
    files: [{ path: 'model.onnx', sha256, size_bytes: content.length }],
    languages: ['en'],
    capabilities: { word_timestamps: true, punctuation: false, capitalization: false, streaming: false },
    hardware: { gpu_required: false, min_ram_mb: 64 },
    license: 'Apache-2.0',
    embedded: false,
    verified: true,
  }
  await writeFile(join(rootFolder, 'models', 'tiny-en.yaml'), stringify(entry))
  return path
}
