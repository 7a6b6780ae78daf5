import type { CatalogModel } from '#protocol/model.ts'

/**
 * Which engine runs a repository, and which of its files that takes: told from the names of its files and its config.json.
 * Pure.
 */
export type Precision = NonNullable<CatalogModel['precision']>

export interface Layout {
  readonly engine: string
  readonly precision: Precision
  readonly paths: readonly string[]
}

export type FoundLayout = { readonly layout: Layout } | { readonly problem: string }

/** File name endings by precision, the usual one first. */
const SUFFIXES: Readonly<Record<Precision, readonly string[]>> = {
  fp32: [''],
  fp16: ['_fp16'],
  int8: ['_quantized', '_int8'],
  q4: ['_q4'],
}
/** The same for NeMo exports. */
const DOTTED: Readonly<Record<Precision, readonly string[]>> = {
  fp32: [''],
  fp16: ['.fp16'],
  int8: ['.int8'],
  q4: ['.q4'],
}
/** What runs well on a CPU comes first. */
const PREFERENCE: readonly Precision[] = ['int8', 'fp32', 'fp16', 'q4']

interface Family {
  readonly engine: string
  readonly modelTypes: RegExp
  readonly needed: readonly string[]
  readonly optional: readonly string[]
  /** The networks, without ending: all of one set are taken in one precision. */
  readonly networks: readonly (readonly string[])[]
  readonly endings: Readonly<Record<Precision, readonly string[]>>
}

const FAMILIES: readonly Family[] = [
  {
    engine: 'whisper',
    modelTypes: /^whisper$/,
    needed: ['config.json', 'generation_config.json', 'preprocessor_config.json', 'tokenizer.json'],
    optional: ['tokenizer_config.json'],
    networks: [['onnx/encoder_model', 'onnx/decoder_model_merged']],
    endings: SUFFIXES,
  },
  {
    engine: 'parakeet',
    modelTypes: /^nemo-conformer-(tdt|rnnt|ctc)$/,
    needed: ['config.json', 'vocab.txt'],
    optional: [],
    networks: [['encoder-model', 'decoder_joint-model'], ['model']],
    endings: DOTTED,
  },
  {
    engine: 'ctc',
    modelTypes:
      /^(wav2vec2|hubert|wavlm|unispeech|unispeech-sat|data2vec-audio|wav2vec2-conformer|wav2vec2-bert)$/,
    needed: ['config.json', 'vocab.json'],
    optional: ['preprocessor_config.json', 'tokenizer_config.json'],
    networks: [['onnx/model'], ['model']],
    endings: SUFFIXES,
  },
]

export const MODEL_TYPES = 'whisper, nemo-conformer-tdt, -rnnt or -ctc, wav2vec2, hubert'

/** `asked`: a precision that must be it; else the first that is there. */
export function layoutOf(
  files: ReadonlySet<string>,
  modelType: string | null,
  asked: Precision | undefined,
): FoundLayout {
  const family = FAMILIES.find(({ modelTypes }) => modelType !== null && modelTypes.test(modelType))
  if (family === undefined)
    return { problem: `config.json: model_type: expected ${MODEL_TYPES}, got ${modelType ?? 'none'}` }
  const missing = family.needed.find((path) => !files.has(path))
  if (missing !== undefined) return { problem: `${missing} is missing, which ${family.engine} needs` }
  const wanted = asked === undefined ? PREFERENCE : [asked]
  for (const precision of wanted) {
    const networks = networksOf(family, files, precision)
    if (networks !== null) {
      const beside = family.optional.filter((path) => files.has(path))
      const paths = [...family.needed, ...beside, ...networks]
      return { layout: { engine: family.engine, precision, paths } }
    }
  }
  const names = family.networks.map((set) => set.join(' with ')).join(', or ')
  return { problem: `no ONNX files in ${wanted.join(', ')} (expected ${names})` }
}

/** One set of networks, each with its weights beside it where they lie outside. */
function networksOf(family: Family, files: ReadonlySet<string>, precision: Precision): string[] | null {
  for (const set of family.networks) {
    for (const ending of family.endings[precision]) {
      const paths = set.map((stem) => `${stem}${ending}.onnx`)
      if (paths.every((path) => files.has(path)))
        return paths.flatMap((path) => [path, ...weightsOf(path, files)])
    }
  }
  return null
}

/** `model.onnx_data`, `model.onnx_data_1` …, or `model.onnx.data`. */
function weightsOf(path: string, files: ReadonlySet<string>): string[] {
  return [...files].filter(
    (file) => file.startsWith(path) && /^[._]data(_\d+)?$/.test(file.slice(path.length)),
  )
}
