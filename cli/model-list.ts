import type { Dalston } from '#client/dalston.ts'
import type { AgentView, ModelView } from '#protocol/api.ts'
import { STAGES } from '#protocol/stage.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { agentDataFolder, readOwnEntries, readOwnEntry } from './own-entries.ts'
import { modelOfOwn, withOwnEntries } from './own-models.ts'
import { choice, exactly, JSON_OPTION, parseParameters, SERVER_OPTIONS } from './parameters.ts'
import { renderTable } from './render-table.ts'
import { connect } from './target.ts'
import { bytes } from './text.ts'

/** Of a fleet the first few: who wants all of them takes `--json`. */
const MOST_NAMES = 20

/** What models there are and where: `dalston models ls|show|ps`. */
const COMMON = { ...SERVER_OPTIONS, ...JSON_OPTION } as const
const OF_A_CATALOG = { ...COMMON, 'agent-data': { type: 'string' } } as const

export async function list(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    ...OF_A_CATALOG,
    engine: { type: 'string' },
    stage: { type: 'string' },
  })
  exactly(positionals)
  const stage = choice('--stage', values.stage, STAGES)
  const filter = { engineId: values.engine, stage }
  const client = connect(values.server, io.environment)
  const known = await client.models(filter)
  const agentData = agentDataFolder(values['agent-data'], io.environment)
  const own = readOwnEntries(agentData, (sentence) => io.err(`${sentence}\n`))
  const models = withOwnEntries(known, own, filter)
  if (values.json) {
    io.out(`${JSON.stringify(models)}\n`)
    return EXIT.ok
  }
  const sizeOf = await sizes(models, client)
  const rows = models
    .toSorted(whatIsHereFirst)
    .map((model) => [
      model.id,
      model.engine,
      languagesOf(model),
      stateOf(model),
      sizeOf(model),
      model.license,
      noteOf(model),
    ])
  const headings = ['MODEL', 'ENGINE', 'LANGUAGES', 'STATE', 'SIZE', 'LICENSE', '']
  io.out(renderTable(headings, rows, 'no model is known that fits'))
  return EXIT.ok
}

export async function show(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, OF_A_CATALOG)
  const [id = ''] = exactly(positionals, 'ID')
  const client = connect(values.server, io.environment)
  const own = readOwnEntry(id, agentDataFolder(values['agent-data'], io.environment))
  const model = own === null ? await client.model(id) : await modelOfOwn(own, client)
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

/** So many are named in a table. */
const FEW_LANGUAGES = 4

function languagesOf({ languages }: ModelView): string {
  if (languages === null) return 'any'
  return languages.length <= FEW_LANGUAGES ? languages.join(',') : `${languages.length} languages`
}

function stateOf({ loaded_on, available_on }: ModelView): string {
  const on = (count: number) => (count === 1 ? '1 agent' : `${count} agents`)
  if (loaded_on.length > 0) return `loaded on ${on(loaded_on.length)}`
  return available_on.length > 0 ? `on ${on(available_on.length)}` : 'not pulled'
}

function whatIsHereFirst(a: ModelView, b: ModelView): number {
  return Number(b.available_on.length > 0) - Number(a.available_on.length > 0)
}

/** Of what its files are where the catalog knows, else of what agents say that have it. */
async function sizes(models: readonly ModelView[], client: Dalston): Promise<(model: ModelView) => string> {
  const isAsked = models.some((model) => sizeBytesOf(model) === null && model.available_on.length > 0)
  const engines = isAsked ? await client.engines() : []
  const announced = new Map<string, number | null>(
    engines.flatMap(({ models }) => models.map((model) => [model.id, model.size_bytes] as const)),
  )
  return (model) => {
    const sizeBytes = sizeBytesOf(model) ?? announced.get(model.id) ?? null
    return sizeBytes === null ? 'unknown' : bytes(sizeBytes)
  }
}

function sizeBytesOf({ files }: ModelView): number | null {
  const sizes = files.map(({ size_bytes }) => size_bytes)
  if (sizes.length === 0 || sizes.includes(null)) return null
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

function noteOf({ embedded, preferred, verified }: ModelView): string {
  if (embedded) return 'for trying the system'
  return [...(preferred ? ['the default once pulled'] : []), ...(verified ? [] : ['not verified'])].join(', ')
}

function factsOf(model: ModelView, nameOf: (id: string) => string): string[][] {
  const { source } = model
  const from = {
    bundled: () => 'comes with the project',
    folder: () =>
      model.files.length === 0 ? 'unknown' : `brought by \`dalston models import ${model.id} FOLDER\``,
    hub: () =>
      source.kind === 'hub'
        ? `${source.repository}${source.revision === null ? '' : ` at ${source.revision}`}${source.gated ? ', gated: needs HF_TOKEN' : ''}`
        : '',
  }
  const can = Object.entries(model.capabilities).filter(([, does]) => does)
  const agents = (ids: readonly string[]) => {
    const names = ids.slice(0, MOST_NAMES).map(nameOf)
    return (
      [...names, ...(ids.length > MOST_NAMES ? [`${ids.length - MOST_NAMES} more`] : [])].join(', ') || 'none'
    )
  }
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
