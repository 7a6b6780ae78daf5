import type { AgentView, ModelView } from '#protocol/api.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'
import { bytes } from './text.ts'

/** What models there are and where: `dalston models ls|show|ps`. */
const COMMON = { ...SERVER_OPTIONS, ...JSON_OPTION } as const

export async function list(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...COMMON,
    engine: { type: 'string' },
    stage: { type: 'string' },
  })
  exactly(positionals)
  const { engine, stage } = values
  const models = await connect(values.server, io.environment).models({ engineId: engine, stage })
  const rows = models.map((model) => [
    model.id,
    model.engine,
    model.languages?.join(',') ?? 'any',
    stateOf(model),
    sizeOf(model),
    model.license,
    noteOf(model),
  ])
  const headings = ['MODEL', 'ENGINE', 'LANGUAGES', 'STATE', 'SIZE', 'LICENSE', '']
  if (values.json) io.out(`${JSON.stringify(models)}\n`)
  else io.out(renderTable(headings, rows, 'no model is known that fits'))
  return EXIT.ok
}

export async function show(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, COMMON)
  const [id = ''] = exactly(positionals, 'ID')
  const client = connect(values.server, io.environment)
  const model = await client.model(id)
  if (values.json) {
    io.out(`${JSON.stringify(model)}\n`)
    return EXIT.ok
  }
  const nameOf = namer(await client.agents())
  io.out(renderTable(['', ''], factsOf(model, nameOf), '').trimStart())
  if (model.files.length > 0) io.out(`\n${filesOf(model)}`)
  return EXIT.ok
}

/** What lies in memory, and where. */
export async function processes(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, COMMON)
  exactly(positionals)
  const engines = await connect(values.server, io.environment).engines()
  const loaded = engines.flatMap(({ agent_name, engine_id, device, models }) =>
    models.filter((model) => model.loaded).map((model) => ({ agent_name, engine_id, device, model })),
  )
  const rows = loaded.map(({ agent_name, engine_id, device, model }) => [
    model.id,
    agent_name,
    engine_id,
    device,
    model.memory_mib === null ? 'not measured' : bytes(model.memory_mib * 1024 ** 2),
    model.pinned ? 'pinned' : '',
  ])
  const headings = ['MODEL', 'AGENT', 'ENGINE', 'DEVICE', 'MEMORY', '']
  if (values.json) io.out(`${JSON.stringify(loaded)}\n`)
  else io.out(renderTable(headings, rows, 'no model lies in memory'))
  return EXIT.ok
}

function stateOf({ loaded_on, available_on }: ModelView): string {
  const on = (count: number) => (count === 1 ? '1 agent' : `${count} agents`)
  if (loaded_on.length > 0) return `loaded on ${on(loaded_on.length)}`
  return available_on.length > 0 ? `on ${on(available_on.length)}` : 'not pulled'
}

function sizeOf({ files }: ModelView): string {
  const sizes = files.map(({ size_bytes }) => size_bytes)
  if (sizes.length === 0 || sizes.includes(null)) return 'unknown'
  return bytes(sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0))
}

function noteOf({ embedded, preferred, verified }: ModelView): string {
  if (embedded) return 'for trying the system'
  return [...(preferred ? ['the default once pulled'] : []), ...(verified ? [] : ['not verified'])].join(', ')
}

function factsOf(model: ModelView, nameOf: (id: string) => string): string[][] {
  const { source } = model
  const from = {
    bundled: () => 'comes with the project',
    folder: () => `brought by \`dalston models import ${model.id} FOLDER\``,
    hub: () =>
      source.kind === 'hub'
        ? `${source.repository}${source.revision === null ? '' : ` at ${source.revision}`}${source.gated ? ', gated: needs HF_TOKEN' : ''}`
        : '',
  }
  const can = Object.entries(model.capabilities).filter(([, does]) => does)
  const agents = (ids: readonly string[]) => ids.map(nameOf).join(', ') || 'none'
  return [
    ['model', `${model.id}, ${model.name}`],
    ...(model.aliases.length > 0 ? [['also', model.aliases.join(', ')]] : []),
    ['', model.description],
    ['engine', `${model.engine}, ${model.stage}`],
    ['source', from[source.kind]()],
    ['precision', model.precision ?? 'unknown'],
    ['languages', model.languages?.join(' ') ?? 'any'],
    ['gives', can.map(([name]) => name.replaceAll('_', ' ')).join(', ') || 'text'],
    ['license', model.license],
    ...model.published.map(({ metric, value, conditions, source: by }) => [
      metric.replaceAll('_', ' '),
      `${value} (${conditions}; ${by})`,
    ]),
    ['verified', model.verified ? 'yes' : 'no: revision, sizes and digests are recorded when it is pulled'],
    ['on disk', agents(model.available_on)],
    ['in memory', agents(model.loaded_on)],
    ['pinned', agents(model.pinned_on)],
  ]
}

function filesOf({ files }: ModelView): string {
  const rows = files.map(({ path, size_bytes, sha256 }) => [
    path,
    size_bytes === null ? 'unknown' : bytes(size_bytes),
    sha256 ?? 'unknown',
  ])
  return renderTable(['FILE', 'SIZE', 'SHA256'], rows, '')
}

function namer(agents: readonly AgentView[]): (id: string) => string {
  const names = new Map<string, string>(agents.map(({ id, name }) => [id, name]))
  return (id) => names.get(id) ?? id
}
