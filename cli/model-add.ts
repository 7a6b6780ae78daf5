import { ModelId } from '#protocol/ids.ts'
import { Language } from '#protocol/language.ts'
import { CatalogModel, RepositoryName } from '#protocol/model.ts'
import { builtInCalled } from './built-in-entries.ts'
import { CommandError, EXIT, type ExitCode, UsageError } from './exit-codes.ts'
import { type Layout, layoutOf, type Precision } from './hub-layout.ts'
import { endNames, type Repository, readRepository } from './hub-repository.ts'
import type { Io } from './io.ts'
import { agentDataFolder, writeOwnEntry } from './own-entries.ts'
import { choice, exactly, parseParameters } from './parameters.ts'

const PRECISIONS: readonly Precision[] = ['fp32', 'fp16', 'int8', 'q4']
const HUB = 'https://huggingface.co'

/** Writes the entry of a hub's repository: `dalston models add hf:OWNER/NAME`. */
export async function add(parameters: readonly string[], io: Io): Promise<ExitCode> {
  const { values, positionals } = parseParameters(parameters, {
    id: { type: 'string' },
    revision: { type: 'string' },
    precision: { type: 'string' },
    hub: { type: 'string' },
    'agent-data': { type: 'string' },
  })
  const [named = ''] = exactly(positionals, 'hf:OWNER/NAME')
  const name = RepositoryName.safeParse(named.replace(/^hf:/, ''))
  if (!named.startsWith('hf:') || !name.success) throw new UsageError(`expected hf:OWNER/NAME, got ${named}`)
  const asked = choice('--precision', values.precision, PRECISIONS)
  if (values.id !== undefined && !ModelId.safeParse(values.id).success)
    throw new UsageError(`--id: expected a model id such as whisper-base, got ${values.id}`)
  refuseBuiltIn(values.id ?? idOf(name.data), name.data)
  const endpoint = (values.hub ?? (io.environment.HF_ENDPOINT || HUB)).replace(/\/+$/, '')
  const hub = { endpoint, token: io.environment.HF_TOKEN, fetch }
  const { repository, modelType, alignmentHeads } = await readRepository(
    hub,
    name.data,
    values.revision ?? null,
  )
  const found = layoutOf(new Set(repository.siblings.map(({ rfilename }) => rfilename)), modelType, asked)
  if ('problem' in found) throw new CommandError(`${name.data}: ${found.problem}`, EXIT.failure)
  const decoder = found.layout.paths.find((path) => /decoder_model_merged\w*\.onnx$/.test(path))
  const hasAttentions =
    decoder === undefined || !alignmentHeads
      ? false
      : await endNames(hub, { name: name.data, repository, path: decoder }, 'cross_attentions.')
  const source = { name: name.data, repository, hasAttentions }
  const { entry, unknown } = entryOf(source, found.layout, values.id)
  const remarks = [
    `From ${name.data} at ${repository.sha}.`,
    ...unknown.map((one) => `Could not be told: ${one}.`),
  ]
  const path = writeOwnEntry(entry, remarks, agentDataFolder(values['agent-data'], io.environment))
  io.out(`${path}\n`)
  for (const one of unknown) io.err(`could not be told: ${one}\n`)
  io.err(`${entry.engine}, ${entry.precision}; \`dalston models pull ${entry.id}\` brings its files\n`)
  return EXIT.ok
}

/** An entry of the same name would go before the built-in one, without its aliases and its preference. */
function refuseBuiltIn(id: string, name: string): void {
  const builtIn = builtInCalled(id)
  if (builtIn === null) return
  const is = builtIn.id === id ? `the built-in model ${id}` : `a name of the built-in model ${builtIn.id}`
  const from = builtIn.source.kind === 'hub' ? ` (${builtIn.source.repository})` : ''
  const message = `${id} is ${is}${from}: \`dalston models pull ${builtIn.id}\` brings that one; for ${name} give another name with --id`
  throw new CommandError(message, EXIT.failure)
}

interface Source {
  /** `owner/name` */
  readonly name: string
  readonly repository: Repository
  /** Of Whisper: whether word times can be told from what its decoder attends to; null: that was not to be read. */
  readonly hasAttentions: boolean | null
}

/** The entry, and in words what the hub does not tell. Pure. */
export function entryOf(
  source: Source,
  { engine, precision, paths }: Layout,
  id: string | undefined,
): { readonly entry: CatalogModel; readonly unknown: readonly string[] } {
  const { name, repository } = source
  const { languages, license } = cardOf(repository)
  const files = paths.map((path) => fileOf(repository, path))
  const wordTimes = wordTimesOf(engine, source)
  const unknown = [
    ...wordTimes.unknown,
    'whether it gives punctuation and capitals (the entry says what models of its engine usually do)',
    'how much memory it takes',
    ...(languages === null ? ['its languages (the entry says any)'] : []),
    ...(license === null ? ['its licence'] : []),
    ...(files.some(({ sha256 }) => sha256 === null)
      ? ['digests of the small files (they are recorded when it is pulled)']
      : []),
  ]
  const parsed = CatalogModel.safeParse({
    id: id ?? idOf(name),
    name,
    description: `Added from ${name}.`,
    engine,
    runtime_model_id: name,
    stage: 'transcribe',
    source: {
      kind: 'hub',
      repository: name,
      revision: repository.sha,
      gated: repository.gated !== undefined && repository.gated !== false,
    },
    files,
    precision,
    languages,
    capabilities: {
      word_timestamps: wordTimes.are,
      punctuation: engine !== 'ctc',
      capitalization: engine !== 'ctc',
      streaming: false,
      translation: engine === 'whisper' && languages?.length !== 1,
    },
    hardware: { gpu_required: false, min_ram_mb: null },
    license: license ?? 'unknown',
    embedded: false,
    verified: false,
  })
  if (parsed.success) return { entry: parsed.data, unknown }
  const [issue] = parsed.error.issues
  throw new CommandError(`${name}: ${issue?.path.join('.')}: ${issue?.message}`, EXIT.failure)
}

/** CTC and transducers tell the time of each token; Whisper needs attention heads, and a decoder that gives them out. */
function wordTimesOf(
  engine: string,
  { hasAttentions }: Source,
): { readonly are: boolean; readonly unknown: readonly string[] } {
  if (engine !== 'whisper') return { are: true, unknown: [] }
  if (hasAttentions !== null) return { are: hasAttentions, unknown: [] }
  const unknown = 'whether it gives word times (the entry says so; a job gets a warning where it does not)'
  return { are: true, unknown: [unknown] }
}

function fileOf({ siblings }: Repository, path: string) {
  const file = siblings.find(({ rfilename }) => rfilename === path)
  return { path, sha256: file?.lfs?.sha256 ?? null, size_bytes: file?.lfs?.size ?? file?.size ?? null }
}

function cardOf({ cardData }: Repository) {
  const said = [cardData?.language ?? []].flat()
  const languages = said.filter((language) => Language.safeParse(language).success)
  const license = typeof cardData?.license === 'string' ? cardData.license.slice(0, 100) : null
  return { languages: languages.length === 0 ? null : languages, license: license === '' ? null : license }
}

/** `onnx-community/whisper-base` is `whisper-base`. */
function idOf(name: string): string {
  return (name.split('/')[1] ?? '').toLowerCase()
}
