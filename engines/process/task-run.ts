import type { PipelineWarning } from '#protocol/transcript.ts'
import type { EngineStage, EngineTask, RunContext, StageOutputs } from '../engine.ts'
import type { Answer } from './messages.ts'
import { outputsOf } from './outputs.ts'
import type { ProgramLink } from './program-link.ts'

type Said = Extract<Answer, { type: 'result' }>['summary']

/** One task of a program: asked, listened to, cancelled where it must be, and what it wrote looked at. */
export async function runTask(
  link: ProgramLink,
  task: EngineTask<EngineStage>,
  model: string | null,
  context: RunContext,
  graceMs: number,
): Promise<StageOutputs[EngineStage]> {
  const reports = new Reports(context)
  const warnings: PipelineWarning[] = []
  const said = await answerOf(link, task, model, context, graceMs, reports, warnings)
  const outputs = await outputsOf(task, said, warnings)
  reports.progress(100, null)
  return outputs
}

function answerOf(
  link: ProgramLink,
  task: EngineTask<EngineStage>,
  model: string | null,
  { signal, batchScale }: RunContext,
  graceMs: number,
  reports: Reports,
  warnings: PipelineWarning[],
): Promise<Said> {
  const done = Promise.withResolvers<Said>()
  const id = link.open(
    {
      type: 'run',
      model,
      stage: task.stage,
      inputs: inSnakeCase(task.inputs),
      output_folder: task.outputFolder,
      parameters: task.parameters,
      batch_scale: batchScale,
    },
    {
      receive(answer) {
        switch (answer.type) {
          case 'progress':
            reports.progress(answer.percent, answer.message)
            return true
          case 'partial':
            reports.partial(answer)
            return true
          case 'warning':
            if (warnings.length < MOST_WARNINGS)
              warnings.push({
                stage: task.stage,
                code: answer.code.slice(0, MOST_CODE_CHARACTERS),
                message: answer.message.slice(0, MOST_WARNING_CHARACTERS),
              })
            return true
          case 'result':
            done.resolve(answer.summary)
            return true
          default:
            return false
        }
      },
      fail: done.reject,
    },
  )
  let grace: NodeJS.Timeout | undefined
  const cancel = () => {
    link.notify(id, { type: 'cancel' })
    grace = setTimeout(() => link.kill(), graceMs)
  }
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  return done.promise
    .finally(() => {
      clearTimeout(grace)
      signal.removeEventListener('abort', cancel)
      link.forget(id)
    })
    .then(
      (said) => {
        signal.throwIfAborted()
        return said
      },
      (error: unknown) => {
        // Whatever it says after a cancel, the cancel is why.
        signal.throwIfAborted()
        throw error
      },
    )
}

/** What a program reports, made to fit: progress never falls, texts are bounded, revisions count. */
class Reports {
  readonly #report: RunContext['report']
  #percent = 0
  #revision = 0

  constructor({ report }: RunContext) {
    this.#report = report
    report({ percent: 0, message: null })
  }

  progress(percent: number | null, message: string | null): void {
    if (percent !== null) this.#percent = Math.max(this.#percent, percent)
    this.#report({
      percent: percent === null ? null : this.#percent,
      message: message?.slice(0, MOST_MESSAGE_CHARACTERS) ?? null,
    })
  }

  partial({ start, end, text }: { start: number; end: number; text: string }): void {
    this.#revision += 1
    const newest = text.slice(-MOST_PARTIAL_CHARACTERS)
    this.#report(
      { percent: this.#percent, message: null },
      { revision: this.#revision, start, end, text: newest },
    )
  }
}

/** What the protocol takes. */
const MOST_WARNINGS = 100
/** All of them go with the result, whose size has a limit. */
const MOST_CODE_CHARACTERS = 64
const MOST_WARNING_CHARACTERS = 500
const MOST_MESSAGE_CHARACTERS = 300
const MOST_PARTIAL_CHARACTERS = 2000

/** `speechRegions` → `speech_regions`: inside they hold no names of ours but single words. */
function inSnakeCase(inputs: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
}
