import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { exitCodeOfEnding, followJob, untilInterrupted } from './follow-job.ts'
import type { Interrupts } from './interrupts.ts'
import type { Command, Io } from './io.ts'
import { type LocalServer, startLocalServer } from './local-server.ts'
import { exactly, parseParameters } from './parameters.ts'
import { progressView } from './progress-view.ts'
import { openRecordings, readRecording } from './recordings.ts'
import { embeddedNote } from './render-end.ts'

const SAMPLE = fileURLToPath(new URL('../models/embedded/samples/call.wav', import.meta.url))

export const command: Command = {
  summary: 'transcribe a sample with a server and agent of its own, and leave nothing behind',
  usage: 'usage: dalston demo',
  async run(parameters, io) {
    exactly(parseParameters(parameters, {}).positionals)
    if (!existsSync(SAMPLE)) throw new CommandError(`the sample ${SAMPLE} is not there`, EXIT.failure)
    const interrupts = io.listenForInterrupts()
    const dataPath = mkdtempSync(join(tmpdir(), 'dalston-demo-'))
    let server: LocalServer | null = null
    try {
      io.err('starting a server and an agent on this machine …\n')
      server = await startLocalServer(dataPath, interrupts)
      return server === null ? EXIT.interrupted : await transcribeSample(io, server, interrupts)
    } finally {
      await server?.stop()
      rmSync(dataPath, { recursive: true, force: true })
    }
  },
}

async function transcribeSample(io: Io, { client }: LocalServer, interrupts: Interrupts): Promise<ExitCode> {
  const [recording] = openRecordings([SAMPLE])
  if (recording === undefined) return EXIT.failure
  const view = progressView(io, 1)
  const context = { client, view, interrupts, deadline: null }
  view.note(`transcribing ${relative(process.cwd(), SAMPLE)}`)
  const ending = await untilInterrupted(
    context,
    () => null,
    async (signal) => {
      const { id } = await client.submit(await readRecording(recording), recording.name, { signal })
      return followJob(context, id, recording.label)
    },
  )
  if (ending.kind === 'ended') {
    const note = embeddedNote(ending.job)
    if (note !== null) view.note(note)
    if (ending.job.status === 'completed') io.out(await client.export(ending.job.id, 'txt'))
  }
  return exitCodeOfEnding(ending)
}
