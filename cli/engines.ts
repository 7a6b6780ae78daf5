import type { EngineView } from '#protocol/api.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Command, Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'

export const command: Command = {
  summary: 'list the engines that run, or show one on each of its agents',
  usage: `usage: dalston engines [--json] [--server URL]
       dalston engines ID [--json] [--server URL]
ID is an engine's, such as ctc: each agent that hosts it, with its models, and why it gets no tasks where it gets none.`,
  async run(parameters, io) {
    const { values, positionals } = parseParameters(parameters, { ...SERVER_OPTIONS, ...JSON_OPTION })
    const client = connect(values.server, io.environment)
    if (positionals.length === 0) return print(await client.engines(), values.json, io, list)
    const [id = ''] = exactly(positionals, 'ID')
    return print(await client.engine(id), values.json, io, show)
  },
}

function print(
  engines: readonly EngineView[],
  asJson: boolean,
  io: Io,
  rendered: (engines: readonly EngineView[]) => string,
): ExitCode {
  io.out(asJson ? `${JSON.stringify(engines)}\n` : rendered(engines))
  return EXIT.ok
}

function list(engines: readonly EngineView[]): string {
  const rows = engines.map((engine) => [
    engine.engine_id,
    engine.agent_name,
    engine.status,
    engine.manifest.stages.join(','),
    engine.device,
    taken(engine),
    String(engine.queued_tasks),
    engine.models.map((model) => model.id).join(','),
    engine.why ?? '',
  ])
  const headings = ['ENGINE', 'AGENT', 'STATUS', 'STAGES', 'DEVICE', 'RUNNING', 'QUEUED', 'MODELS', 'WHY']
  return renderTable(headings, rows, 'no engine runs; `dalston agents token` lets an agent join')
}

/** What is the same on every agent first, then a line for each. */
function show(engines: readonly EngineView[]): string {
  const [first] = engines
  if (first === undefined) return ''
  const { manifest } = first
  const facts = [
    ['engine', `${first.engine_id}, ${manifest.name} ${manifest.version}`],
    ['stages', manifest.stages.join(', ')],
    ['interfaces', manifest.interfaces.join(', ')],
    ['can', capabilitiesOf(first)],
    ['queued', String(Math.max(...engines.map((engine) => engine.queued_tasks)))],
  ]
  const rows = engines.map((engine) => [
    engine.agent_name,
    engine.status,
    taken(engine),
    engine.device,
    engine.models.map((model) => `${model.id}${model.loaded ? ' (loaded)' : ''}`).join(', ') || '-',
    engine.agent_id,
    engine.why ?? '',
  ])
  const headings = ['AGENT', 'STATUS', 'RUNNING', 'DEVICE', 'MODELS', 'ID', 'WHY']
  return `${renderTable(['', ''], facts, '').trimStart()}\n${renderTable(headings, rows, '')}`
}

/** Batch and live together, as they share the slots. */
function taken({ running_tasks, active_sessions, slots }: EngineView): string {
  return `${running_tasks + active_sessions}/${slots}`
}

function capabilitiesOf({ manifest: { capabilities } }: EngineView): string {
  const { languages, word_timestamps, diarization, split_channels, native_streaming } = capabilities
  return [
    languages === null ? 'any language' : languages.join(' '),
    ...(word_timestamps ? ['word times'] : []),
    ...(diarization ? ['speakers'] : []),
    ...(split_channels ? ['channels'] : []),
    ...(native_streaming ? ['live'] : []),
  ].join(', ')
}
