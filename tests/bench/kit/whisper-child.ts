import { mkdirSync, writeFileSync } from 'node:fs'
import { EngineHosts } from '#agent/engine-hosts.ts'
import { entriesOf } from '#agent/engine-list.ts'
import type { Report } from '#agent/progress.ts'
import * as list from '#engines/list.ts'
import { manifest } from '#engines/whisper/manifest.ts'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { CatalogModel } from '#protocol/model.ts'
import { Inbox } from '#tests/agent/kit/inbox.ts'
import { PARAMETERS } from '#tests/kit/engine-runs.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const ENGINES = entriesOf(import.meta.resolve('#engines/list.ts'), list)
/** What an agent gives by itself. */
const ABORT_GRACE_MS = 2_000

interface Line {
  readonly event: string
  readonly [field: string]: unknown
}

/** The installation's own Whisper in a real engine child, with one model, on one thread. */
export class WhisperChild implements AsyncDisposable {
  readonly lines = new Inbox<Line>()
  readonly #hosts: EngineHosts
  readonly #folder = new TempFolder()

  /** `keepAliveSeconds`: 0 lets the model go behind each task. */
  constructor(modelFolder: string, keepAliveSeconds: number | null) {
    const catalog = catalogModel()
    this.#hosts = new EngineHosts(ENGINES, {
      abortGraceMs: ABORT_GRACE_MS,
      log: (event, fields = {}) => this.lines.put({ event, ...fields }),
      nowMs: () => performance.now(),
      threads: 1,
      device: 'cpu',
      memoryMib: 4_000,
      vramMib: null,
      keepAliveSeconds,
      onChanged: () => undefined,
      models: {
        resolve: async () => ({ ok: true, model: { catalog, folder: modelFolder, identity: catalog.id } }),
        use: () => ({ [Symbol.dispose]: () => undefined }),
        isPinned: () => false,
        identityOf: () => catalog.id,
      },
    })
  }

  /** Those that were forked. */
  get children(): number {
    return this.lines.all.filter(({ event }) => event === 'engine.started').length
  }

  /** Transcribes noise, in so many regions of so many seconds; `heard` has what it reports. */
  start(regions: number, seconds: number) {
    const ending = new AbortController()
    const heard = new Inbox<Report>()
    const ended = this.#run(regions, seconds, ending.signal, (report) => heard.put(report))
    return { ended, heard, cancel: () => ending.abort() }
  }

  /** What the child takes behind a release, in MiB. */
  async released(): Promise<number> {
    const { rss_mib } = await this.lines.take('release', ({ event }) => event === 'model.unloaded')
    return Number(rss_mib)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts.stop()
    this.#folder[Symbol.dispose]()
  }

  #run(regions: number, seconds: number, signal: AbortSignal, onReport: (report: Report) => void) {
    const outputFolder = this.#folder.fresh('run')
    mkdirSync(outputFolder, { recursive: true })
    // A second of pause keeps them apart; a region that fills a chunk is one.
    const all = Array.from({ length: regions }, (_, index) => index * (seconds + 1))
    const random = seeded(1)
    const samples = Int16Array.from(
      { length: Math.max(1, regions * (seconds + 1)) * SAMPLE_RATE_HZ },
      () => (random() - 0.5) * 8_000,
    )
    const audio = { path: `${outputFolder}/audio.s16`, sizeBytes: samples.byteLength }
    const speech = { path: `${outputFolder}/speech.jsonl`, sizeBytes: 0 }
    writeFileSync(audio.path, samples)
    const lines = all.map((start) => `${JSON.stringify({ start, end: start + seconds })}\n`)
    writeFileSync(speech.path, lines.join(''))
    const work = {
      engineId: manifest.id,
      modelId: 'whisper',
      stage: 'transcribe',
      files: { 'audio.s16': audio, 'speech.jsonl': speech },
      outputFolder,
      parameters: { ...PARAMETERS, language: 'en', audio_seconds: samples.length / SAMPLE_RATE_HZ },
    } as const
    return this.#hosts.run(work, signal, onReport)
  }
}

function catalogModel(): CatalogModel {
  return CatalogModel.parse({
    id: 'whisper',
    name: 'Whisper',
    description: '',
    engine: manifest.id,
    runtime_model_id: 'whisper',
    stage: 'transcribe',
    source: { kind: 'folder' },
    files: [{ path: 'config.json', sha256: null, size_bytes: null }],
    languages: null,
    capabilities: { word_timestamps: true, punctuation: true, capitalization: true, streaming: false },
    hardware: { gpu_required: false, min_ram_mb: 500 },
    license: 'Apache-2.0',
    embedded: false,
    verified: false,
  })
}
