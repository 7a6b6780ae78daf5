import type { TraceAttempt } from '#protocol/trace.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'
import { duration } from './text.ts'

/** `dalston jobs trace ID`: where the time went, one line an attempt. */
export async function trace(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
  const [id = ''] = exactly(positionals, 'ID')
  const job = await connect(values.server, io.environment).trace(id)
  if (values.json) io.out(`${JSON.stringify(job)}\n`)
  else {
    const head = ['STAGE', 'TRY', 'END', 'QUEUE', 'TRANSFER', 'SWAP', 'LOAD', 'RUN', 'ENGINE', 'WHY OR ERROR']
    io.out(renderTable(head, job.attempts.map(row), 'nothing was enqueued yet'))
  }
  return EXIT.ok
}

function row(attempt: TraceAttempt): string[] {
  const { queue_ms, transfer_ms, swap_ms, load_ms, run_ms } = attempt
  return [
    attempt.channel === null ? attempt.stage : `${attempt.stage} ${attempt.channel}`,
    String(attempt.fence),
    attempt.outcome,
    ...[queue_ms, transfer_ms, swap_ms, load_ms, run_ms].map((ms) =>
      ms === null ? '' : duration(ms / 1000),
    ),
    [attempt.engine_id, attempt.model_id].filter((each) => each !== null).join(' '),
    attempt.error?.message ?? attempt.why ?? '',
  ]
}
