import type { SubmitFields } from '#client/submit-fields.ts'
import { EXPORT_FORMATS, type ExportFormat } from '#protocol/api.ts'
import { UsageError } from './exit-codes.ts'
import { JOB_OPTIONS, JOB_USAGE, jobFields } from './job-fields.ts'
import { choice, JSON_OPTION, parseParameters, SERVER_OPTIONS, wholeNumber } from './parameters.ts'
import { openRecordings, type Recording } from './recordings.ts'

export const usage = `usage: dalston transcribe FILE... [-f txt|json|srt|vtt] [-o DIR] [--json]
                          [--language CODE] [--model ID] [--no-wait] [--timeout SECONDS] [--server URL]
                          [what is asked: see below]

Sends recordings, shows their progress, and writes the transcripts: one file to stdout, or with -o into a folder.
  -f, --format FORMAT  txt (default), json, srt or vtt
  -o, --output DIR     write NAME.FORMAT there
  --json               print the whole job as JSON, one line a file
  --no-wait            print the job's id as soon as the server has it
  --timeout SECONDS    stop waiting then (exit 8); the job goes on
${JOB_USAGE}
Without a server at http://127.0.0.1:8787 and none named by --server or DALSTON_SERVER, one is started for this call.`

const OPTIONS = {
  ...SERVER_OPTIONS,
  ...JSON_OPTION,
  ...JOB_OPTIONS,
  format: { type: 'string', short: 'f' },
  output: { type: 'string', short: 'o' },
  'no-wait': { type: 'boolean', default: false },
  timeout: { type: 'string' },
} as const

/** What `dalston transcribe` was asked. */
export interface TranscribeRequest {
  readonly recordings: readonly Recording[]
  readonly fields: SubmitFields
  readonly format: ExportFormat
  readonly outputFolder: string | null
  readonly json: boolean
  readonly noWait: boolean
  readonly timeoutSeconds: number | null
  readonly server: string | undefined
}

/** @throws UsageError, or CommandError when a file cannot be sent. */
export function parseTranscribeRequest(parameters: readonly string[]): TranscribeRequest {
  const { values, positionals } = parseParameters(parameters, OPTIONS)
  if (positionals.length === 0) throw new UsageError('FILE is missing')
  const outputFolder = values.output ?? null
  if (positionals.length > 1 && outputFolder === null && !values.json && !values['no-wait']) {
    throw new UsageError('several files need -o DIR for their transcripts (or --json for one JSON line each)')
  }
  const fields = jobFields(values)
  const format = choice('--format', values.format, EXPORT_FORMATS) ?? 'txt'
  const timeoutSeconds = wholeNumber('--timeout', values.timeout, { min: 1, max: 1_000_000 }) ?? null
  return {
    recordings: openRecordings(positionals),
    fields,
    format,
    outputFolder,
    json: values.json,
    noWait: values['no-wait'],
    timeoutSeconds,
    server: values.server,
  }
}
