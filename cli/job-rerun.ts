import { STAGES } from '#protocol/stage.ts'
import { EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import { JOB_OPTIONS, jobFields } from './job-fields.ts'
import { choice, exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { connect } from './target.ts'

/** `dalston jobs rerun ID --from STAGE`: the same recording again, beginning at a stage, with what should be otherwise. */
export async function rerun(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
    ...JOB_OPTIONS,
    from: { type: 'string' },
  })
  const [id = ''] = exactly(positionals, 'ID')
  const fromStage = choice('--from', values.from, STAGES)
  if (fromStage === undefined)
    throw new UsageError(`jobs rerun: --from STAGE is missing (${STAGES.join(', ')})`)
  const job = await connect(values.server, io.environment).rerun(id, fromStage, jobFields(values))
  io.out(values.json ? `${JSON.stringify(job)}\n` : `${job.id}\n`)
  return EXIT.ok
}
