import { writeFileSync } from 'node:fs'
import type { z } from 'zod'
import type { SubmitFields } from '#client/submit-fields.ts'
import type { CreatedJob, JobDocument } from '#protocol/api.ts'
import type { JobView } from '#protocol/job.ts'
import { isTerminal } from '#protocol/job.ts'
import { type Script, writeScript } from '#tests/kit/script.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { sine, wav } from '#tests/kit/wav-writer.ts'
import { Box, type BoxOptions } from './box.ts'
import { type CliResult, runDalston } from './installation.ts'
import { Server, type Variables } from './server.ts'

/** A server and the boxes that a test gives it, all real processes; one script for their engines. */
export class Fleet {
  readonly server: Server
  readonly #folder: TempFolder
  readonly #boxes = new Set<Box>()

  private constructor(server: Server, folder: TempFolder) {
    this.server = server
    this.#folder = folder
  }

  static async start(variables: Variables): Promise<Fleet> {
    const folder = new TempFolder()
    return new Fleet(await Server.start(folder.join('data'), variables), folder)
  }

  get client() {
    return this.server.client
  }

  path(name: string): string {
    return this.#folder.join(name)
  }

  /** What the engines do from the next task on. */
  async script(script: z.input<typeof Script>): Promise<void> {
    await writeScript(this.path('script.json'), script)
  }

  /** A file that a script's `until` waits for. */
  gate(name: string): { readonly path: string; open(): void } {
    const path = this.path(`${name}.gate`)
    return { path, open: () => writeFileSync(path, '') }
  }

  async box(name: string, options: Omit<BoxOptions, 'name' | 'path'>): Promise<Box> {
    const place = { name, path: this.path(name), scriptPath: this.path('script.json') }
    const box = new Box(this.server, { ...place, ...options })
    this.#boxes.add(box)
    await box.start()
    return box
  }

  submit(fields: SubmitFields = {}, channels = 1): Promise<CreatedJob> {
    const sound = sine(440, 0.2)
    return this.submitSound(
      Array.from({ length: channels }, () => sound),
      fields,
    )
  }

  submitSound(channels: readonly Float32Array[], fields: SubmitFields): Promise<CreatedJob> {
    const recording = new Blob([new Uint8Array(wav(channels))])
    return this.client.submit(recording, 'recording.wav', { fields })
  }

  /** The job when it is as asked. @throws Error when it ends without having been. */
  async when(id: string, is: (job: JobView) => boolean): Promise<JobView> {
    for await (const { job } of this.client.follow(id)) {
      if (is(job)) return job
      if (isTerminal(job.status)) throw new Error(`the job ended otherwise: ${JSON.stringify(job)}`)
    }
    throw new Error('the stream ended before the job')
  }

  async ended(id: string): Promise<JobDocument> {
    await this.when(id, ({ status }) => isTerminal(status))
    return this.client.get(id)
  }

  /** Ids of all jobs that the server knows. */
  async listed(): Promise<string[]> {
    const ids: string[] = []
    for await (const { id } of this.client.list()) ids.push(id)
    return ids
  }

  /** Runs the CLI as its user does. */
  dalston(...parameters: string[]): Promise<CliResult> {
    return runDalston(this.server, parameters)
  }

  /** Lets these boxes leave, so that the next test begins with none of them. */
  async dismiss(): Promise<void> {
    await Promise.all([...this.#boxes].map((box) => box.kill()))
    this.#boxes.clear()
  }

  async stop(): Promise<void> {
    await this.dismiss()
    await this.server.stop()
    this.#folder[Symbol.dispose]()
  }
}

/** A box for every stage, with a transcriber that gives no word times and one that covers several stages. */
export const EVERY_STAGE: readonly string[] = [
  'prepare',
  'transcribe',
  'all',
  'align',
  'diarize',
  'detect-emotions',
  'detect-events',
  'detect-topics',
  'refine',
  'pii-detect',
  'audio-redact',
].map((stage) => `scripted-${stage}`)
