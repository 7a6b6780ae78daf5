import { EXPORT_FORMATS } from '#protocol/api.ts'
import { JobStatus, type JobSummary, type JobView } from '#protocol/job.ts'
import { EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import { exitCodeOfEnding, followJob } from './follow-job.ts'
import type { Command, Io } from './io.ts'
import { rerun } from './job-rerun.ts'
import { trace } from './job-trace.ts'
import { letGo } from './let-go.ts'
import { choice, exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { progressView } from './progress-view.ts'
import { etaText, stageName } from './render-bars.ts'
import { embeddedNote, warningLines } from './render-end.ts'
import { minute, renderTable } from './render-table.ts'
import { connect } from './target.ts'
import { duration } from './text.ts'

export const command: Command = {
  summary: 'list, show, follow, cancel, rerun and trace jobs',
  usage: `usage: dalston jobs ls [--status STATUS] [--limit N] [--json]
       dalston jobs get ID [-f txt|json|srt|vtt] [--json]
       dalston jobs follow ID [-f txt|json|srt|vtt] [--timeout SECONDS] [--json]
       dalston jobs cancel ID [--json]
       dalston jobs rerun ID --from STAGE [flags of transcribe] [--json]
       dalston jobs trace ID [--json]
All take --server URL. \`get -f\` prints the finished transcript; \`follow\` shows progress and prints it at the end.
\`rerun\` begins at a stage and takes over what lies before it; \`trace\` tells where the time went.`,
  run([verb, ...parameters], io) {
    if (verb === 'ls') return list(parameters, io)
    if (verb === 'get') return get(parameters, io)
    if (verb === 'follow') return follow(parameters, io)
    if (verb === 'cancel') return cancel(parameters, io)
    if (verb === 'rerun') return rerun(parameters, io)
    if (verb === 'trace') return trace(parameters, io)
    throw new UsageError(`jobs: expected ls, get, follow, cancel, rerun or trace, got ${verb ?? 'nothing'}`)
  },
}

const FORMAT = { format: { type: 'string', short: 'f' } } as const
const COMMON = { ...SERVER_OPTIONS, ...JSON_OPTION } as const

async function list(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...COMMON,
    status: { type: 'string' },
    limit: { type: 'string' },
  })
  exactly(positionals)
  const status = choice('--status', values.status, JobStatus.options)
  const limit = wholeNumber('--limit', values.limit, { min: 1, max: 100_000 }) ?? 20
  const jobs: JobSummary[] = []
  for await (const job of connect(values.server, io.environment).list({
    status,
    pageSize: Math.min(limit, 100),
  })) {
    jobs.push(job)
    if (jobs.length === limit) break
  }
  if (values.json) io.out(`${JSON.stringify(jobs)}\n`)
  else
    io.out(
      renderTable(['ID', 'STATUS', 'CREATED', 'AUDIO', 'WORDS', 'NAME'], jobs.map(jobRow), 'no jobs yet'),
    )
  return EXIT.ok
}

function jobRow(job: JobSummary): string[] {
  const audio = job.audio_duration_seconds === null ? '' : duration(job.audio_duration_seconds)
  const words = job.word_count === null ? '' : String(job.word_count)
  return [job.id, job.status, minute(job.created_at), audio, words, job.name ?? '']
}

async function get(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, { ...COMMON, ...FORMAT })
  const [id = ''] = exactly(positionals, 'ID')
  const client = connect(values.server, io.environment)
  const format = choice('--format', values.format, EXPORT_FORMATS)
  if (format !== undefined) {
    io.out(await client.export(id, format))
    return EXIT.ok
  }
  const job = await client.get(id)
  io.out(values.json ? `${JSON.stringify(job)}\n` : describe(job))
  return EXIT.ok
}

function describe(job: JobView): string {
  const facts = [
    ['job', job.id],
    ['name', job.name ?? ''],
    ['status', `${job.status}${job.status === 'running' ? ` ${job.progress.overall} %` : ''}`],
    ['created', minute(job.created_at)],
    ['left', etaText(job.progress.eta) ?? ''],
    ['audio', job.audio_duration_seconds === null ? '' : duration(job.audio_duration_seconds)],
    ['waits', job.why ?? ''],
    ['priority', job.priority === 'normal' ? '' : job.priority],
    ['error', job.error === null ? '' : `${job.error.message} (${job.error.code})`],
    ...job.stages.map((stage) => [
      stageName(stage),
      [stage.status, stage.engine_id, stage.model_id, stage.error?.message ?? null, stage.why]
        .filter((each) => each !== null)
        .join(', '),
    ]),
    ...warningLines(job).map((line) => ['warning', line]),
  ].filter(([, value]) => value !== '')
  return renderTable(['', ''], facts, '').trimStart()
}

async function follow(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...COMMON,
    ...FORMAT,
    timeout: { type: 'string' },
  })
  const [id = ''] = exactly(positionals, 'ID')
  const format = choice('--format', values.format, EXPORT_FORMATS) ?? 'txt'
  const seconds = wholeNumber('--timeout', values.timeout, { min: 1, max: 1_000_000 })
  const client = connect(values.server, io.environment)
  const interrupts = io.listenForInterrupts()
  const view = progressView(io, 1)
  const deadline = seconds === undefined ? null : AbortSignal.timeout(seconds * 1000)
  const ending = await followJob({ client, view, interrupts, deadline }, id, id)
  if (ending.kind === 'interrupted') return letGo(io, client, [id], interrupts)
  if (ending.kind === 'timeout') view.note('not finished yet')
  if (ending.kind === 'ended') {
    if (values.json) io.out(`${JSON.stringify(await client.get(id))}\n`)
    else if (ending.job.status === 'completed') io.out(await client.export(id, format))
    const note = embeddedNote(ending.job)
    if (note !== null) view.note(note)
  }
  return exitCodeOfEnding(ending)
}

async function cancel(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, COMMON)
  const [id = ''] = exactly(positionals, 'ID')
  const job = await connect(values.server, io.environment).cancel(id)
  io.out(values.json ? `${JSON.stringify(job)}\n` : `${job.id} ${job.status}\n`)
  return EXIT.ok
}
