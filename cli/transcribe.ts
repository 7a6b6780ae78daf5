import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Dalston } from '#client/dalston.ts'
import { DalstonProblem, DalstonUnreachable, DalstonUnreadable } from '#client/errors.ts'
import { defaultDataPath } from '#host/data-folder.ts'
import { CommandError, EXIT, type ExitCode, exitCodeOf, sentenceOf } from './exit-codes.ts'
import {
  type Ending,
  exitCodeOfEnding,
  type FollowContext,
  followJob,
  untilInterrupted,
} from './follow-job.ts'
import type { Interrupts } from './interrupts.ts'
import type { Command, Io } from './io.ts'
import { cancelJobs, letGo } from './let-go.ts'
import { type LocalServer, startLocalServer } from './local-server.ts'
import { agentDataFolder, readOwnEntry } from './own-entries.ts'
import { progressView } from './progress-view.ts'
import { outputNames, type Recording, readRecording } from './recordings.ts'
import { embeddedNote } from './render-end.ts'
import { findTarget } from './target.ts'
import { parseTranscribeRequest, type TranscribeRequest, usage } from './transcribe-request.ts'

/** Uploads at the same time; the server queues what it cannot run yet. */
const PARALLEL_FILES = 3
const HEALTH_MS = 2_000

export const command: Command = {
  summary: 'turn recordings into text',
  usage,
  async run(parameters, io) {
    const request = parseTranscribeRequest(parameters)
    const interrupts = io.listenForInterrupts()
    const running = await findRunningServer(request, io)
    const started =
      running === null ? await startLocalServer(defaultDataPath(io.environment), interrupts) : null
    const client = running ?? started?.client
    if (client === undefined) return EXIT.interrupted
    try {
      return await transcribeAll(request, io, client, interrupts, started)
    } finally {
      await started?.stop()
    }
  },
}

/** The server that is meant, or null where one has to be started. */
async function findRunningServer(request: TranscribeRequest, io: Io): Promise<Dalston | null> {
  const target = findTarget(request.server, io.environment)
  const client = new Dalston(target)
  if (target.isConfigured) return client
  try {
    await client.health({ signal: AbortSignal.timeout(HEALTH_MS) })
    return client
  } catch (error) {
    const isAbsent =
      error instanceof DalstonUnreachable || error instanceof DalstonUnreadable || isTimeout(error)
    if (!isAbsent) throw error
  }
  if (request.noWait) {
    throw new CommandError(
      `--no-wait needs a server that stays; none answers at ${target.server}: start one with \`dalston serve\``,
      EXIT.unavailable,
    )
  }
  io.err(`no server at ${target.server}: starting one for this call …\n`)
  return null
}

async function transcribeAll(
  request: TranscribeRequest,
  io: Io,
  client: Dalston,
  interrupts: Interrupts,
  started: LocalServer | null,
): Promise<ExitCode> {
  const { recordings, timeoutSeconds } = request
  const view = progressView(io, recordings.length)
  const deadline = timeoutSeconds === null ? null : AbortSignal.timeout(timeoutSeconds * 1000)
  const context: FollowContext = { client, view, interrupts, deadline }
  const names = outputNames(recordings, request.format)
  if (request.outputFolder !== null) mkdirSync(request.outputFolder, { recursive: true })

  const letGoIds: string[] = []
  const codes: ExitCode[] = []
  let note: string | null = null
  await eachOf(recordings, PARALLEL_FILES, async (recording, index) => {
    try {
      const ending = await transcribeOne(context, request, recording)
      codes[index] = exitCodeOfEnding(ending)
      if (ending.kind === 'interrupted' && ending.jobId !== null) letGoIds.push(ending.jobId)
      if (ending.kind === 'timeout') view.note(timeoutLine(recording, ending.jobId))
      if (ending.kind === 'ended') note = embeddedNote(ending.job) ?? note
      await deliver(request, io, context, ending, names[index] ?? '')
    } catch (error) {
      codes[index] = exitCodeOf(error)
      view.finish(recording.label)
      const [sentence = '', ...hints] = [...sentenceOf(error).split('\n'), ...hintsOf(error, request, io)]
      for (const line of [`${recording.label}: ${sentence}`, ...hints]) view.note(line)
    }
  })
  if (note !== null) view.note(note)
  if (interrupts.first.aborted && started !== null) {
    await cancelJobs(io, client, letGoIds)
    return EXIT.interrupted
  }
  if (interrupts.first.aborted) return letGo(io, client, letGoIds, interrupts)
  return codes.find((code) => code !== EXIT.ok) ?? EXIT.ok
}

/** Submits one recording and follows it, or is content when it was accepted. */
function transcribeOne(
  context: FollowContext,
  request: TranscribeRequest,
  recording: Recording,
): Promise<Ending> {
  const { client, view } = context
  let jobId: string | null = null
  return untilInterrupted(
    context,
    () => jobId,
    async (signal) => {
      const created = await client.submit(await readRecording(recording), recording.name, {
        fields: { ...request.fields, name: recording.name },
        signal,
        onProgress: (upload, receivedBytes) => view.upload(recording.label, receivedBytes, upload.size_bytes),
      })
      jobId = created.id
      if (request.noWait) return { kind: 'accepted', created }
      view.note(`${recording.label}: ${created.id}`)
      return followJob(context, created.id, recording.label)
    },
  )
}

/** Writes what the ending brought: the id of an accepted job, the transcript of a finished one. */
async function deliver(
  request: TranscribeRequest,
  io: Io,
  { client, view }: FollowContext,
  ending: Ending,
  name: string,
): Promise<void> {
  if (ending.kind === 'accepted')
    io.out(request.json ? `${JSON.stringify(ending.created)}\n` : `${ending.created.id}\n`)
  if (ending.kind !== 'ended') return
  const { job } = ending
  if (request.json) io.out(`${JSON.stringify(await client.get(job.id))}\n`)
  if (job.status !== 'completed' || (request.outputFolder === null && request.json)) return
  const text = await client.export(job.id, request.format)
  if (request.outputFolder === null) return io.out(text.endsWith('\n') || text === '' ? text : `${text}\n`)
  const path = join(request.outputFolder, name)
  writeFileSync(path, text)
  view.note(path)
}

/** A model of this machine's owner is unknown to the server until an agent has it. */
function hintsOf(error: unknown, { fields: { model = 'auto' } }: TranscribeRequest, io: Io): string[] {
  if (!(error instanceof DalstonProblem) || error.code !== 'model_not_found') return []
  const own = readOwnEntry(model, agentDataFolder(undefined, io.environment))
  return own === null ? [] : [`  ${own.id} was added on this machine; try: dalston models pull ${own.id}`]
}

function timeoutLine(recording: Recording, jobId: string | null): string {
  if (jobId === null) return `${recording.label}: the time was over before it was sent`
  return `${recording.label}: not finished yet; to see it again: dalston jobs follow ${jobId}`
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}

async function eachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries()
  const worker = async () => {
    for (const [index, item] of entries) await work(item, index)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}
