import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/** Which folder may import from which. Outside the list nothing goes, so a new arrow is a decision made here. */
const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Rule {
  /** Folders and files of the project, and packages; `node:*` stands for what Node brings. */
  readonly may: readonly string[]
}
const CONTROL_PLANE_SHARED = [
  'control-plane/access',
  'control-plane/problem-error.ts',
  'control-plane/env.ts',
]

/** The most specific path decides. Each module may import itself. */
const ARROWS: Readonly<Record<string, Rule>> = {
  protocol: { may: ['zod'] },
  'control-plane/core': { may: ['protocol', 'zod'] },
  'control-plane/store': { may: ['protocol', 'control-plane/problem-error.ts', 'drizzle-orm', 'zod'] },
  'control-plane/access': { may: ['protocol', 'zod'] },
  'control-plane/problem-error.ts': { may: ['protocol'] },
  'control-plane/env.ts': { may: ['protocol', 'control-plane/objects', 'control-plane/merge.ts', 'zod'] },
  'control-plane/catalog.ts': { may: ['protocol', 'control-plane/catalog.json'] },
  'control-plane/objects': {
    may: [
      'control-plane/core',
      'control-plane/catalog.ts',
      'control-plane/store',
      'protocol',
      'cloudflare:workers',
      ...CONTROL_PLANE_SHARED,
    ],
  },
  'control-plane/actions': {
    may: [
      'control-plane/core',
      'control-plane/store',
      'protocol',
      'zod',
      'control-plane/objects',
      'control-plane/catalog.ts',
      ...CONTROL_PLANE_SHARED,
    ],
  },
  'control-plane/http': {
    may: [
      'control-plane/actions',
      'protocol',
      'control-plane/core/captions.ts',
      'control-plane/core/registry/gauges.ts',
      'site/fragments',
      'zod',
      'itty-router',
      'eventsource-parser',
      ...CONTROL_PLANE_SHARED,
    ],
  },
  /** The edge engine, an entrypoint beside the objects: it reads and writes artifacts. */
  'control-plane/merge.ts': {
    may: [
      'control-plane/core',
      'control-plane/store',
      'protocol',
      'cloudflare:workers',
      ...CONTROL_PLANE_SHARED,
    ],
  },
  /** Copies a rerun's files, an entrypoint as well. */
  'control-plane/copy.ts': {
    may: [
      'control-plane/core',
      'control-plane/store',
      'protocol',
      'cloudflare:workers',
      ...CONTROL_PLANE_SHARED,
    ],
  },
  /** The composition root and what it binds together. */
  'control-plane': { may: ['control-plane', 'protocol', 'site/fragments', 'zod'] },
  'engines/list.ts': { may: ['engines', 'protocol'] },
  'engines/audio': { may: ['engines/engine.ts', 'protocol', 'zod', 'node-av', 'node:*'] },
  'engines/onnx': { may: ['engines/engine.ts', 'protocol', 'onnxruntime-node', 'node:*'] },
  /** Reads descriptions that an owner writes. */
  'engines/process': { may: ['engines/engine.ts', 'protocol', 'yaml', 'zod', 'node:*'] },
  'engines/text': { may: ['protocol', '@huggingface/tokenizers', 'zod', 'node:*'] },
  engines: {
    may: [
      '@huggingface/tokenizers',
      'engines/engine.ts',
      'engines/audio',
      'engines/onnx',
      'engines/text',
      'protocol',
      'onnxruntime-node',
      'zod',
      'node:*',
    ],
  },
  agent: {
    may: [
      'engines/engine.ts',
      'engines/list.ts',
      'protocol',
      'package.json',
      'undici',
      'ws',
      'yaml',
      'zod',
      'node:*',
    ],
  },
  client: { may: ['protocol', 'eventsource-parser', 'zod'] },
  host: { may: ['protocol', 'miniflare', 'yaml', 'zod', 'node:*'] },
  cli: { may: ['client', 'protocol', 'host', 'package.json', 'zod', 'node:*', 'yaml'] },
  'site/fragments': { may: ['protocol'] },
}

interface Import {
  readonly file: string
  readonly target: string
  readonly isType: boolean
}

const aliases = Object.entries(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { imports: Record<string, string> })
    .imports,
)
const FOLDERS = ['protocol', 'control-plane', 'engines', 'agent', 'client', 'host', 'cli', 'site/fragments']
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name)),
)
const imports = files.flatMap(importsOf)

/** Static and dynamic imports, and exports from. Comments are taken out first. */
function importsOf(file: string): Import[] {
  const text = codeOf(file)
  const found = text.matchAll(
    /(?:^|\n)\s*(import|export)(\s+type)?\b[^'";]*?from\s*'([^']+)'|\bimport\s*\(?\s*'([^']+)'/g,
  )
  return [...found].map(([, , type, from, direct]) => ({
    file,
    target: targetOf(file, from ?? direct ?? ''),
    isType: type !== undefined,
  }))
}

function codeOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
}

/** A path in the project, or a package's name. */
function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return relative(ROOT, resolve(ROOT, dirname(file), specifier))
  for (const [alias, path] of aliases) {
    const prefix = alias.replace('*', '')
    if (specifier.startsWith(prefix)) return join(path.replace('*', ''), specifier.slice(prefix.length))
  }
  if (specifier.startsWith('#')) throw new Error(`${file}: ${specifier} is no alias of package.json`)
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return 'node:*'
  if (specifier.startsWith('cloudflare:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function moduleOf(file: string): string {
  const modules = Object.keys(ARROWS).filter((name) => isWithin(file, name))
  const [closest] = modules.sort((a, b) => b.length - a.length)
  if (closest === undefined) throw new Error(`${file} belongs to no module of the arrows`)
  return closest
}

/** An engine's folder is a module of its own: one engine never imports another. */
function homeOf(file: string): string {
  const module = moduleOf(file)
  return module === 'engines' ? file.split('/').slice(0, 2).join('/') : module
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function isAllowed({ file, target }: Import): boolean {
  if (isWithin(target, homeOf(file))) return true
  return (ARROWS[moduleOf(file)]?.may ?? []).some((allowed) => isWithin(target, allowed))
}

test('[L10] there is something to check', () => {
  expect(imports.length).toBeGreaterThan(300)
  expect(imports.filter(({ target }) => target === 'protocol/ids.ts').length).toBeGreaterThan(10)
})

test('[L10] every import follows an arrow of the design', () => {
  const wrong = imports.filter((one) => !isAllowed(one)).map(({ file, target }) => `${file} → ${target}`)
  expect(
    wrong,
    'these imports follow no arrow; move the code, or decide on a new arrow in tests/arrows.test.ts',
  ).toEqual([])
})

test('[L10] actions know the objects by type alone', () => {
  const wrong = imports
    .filter(
      ({ file, target, isType }) =>
        !isType && isWithin(file, 'control-plane/actions') && isWithin(target, 'control-plane/objects'),
    )
    .map(({ file, target }) => `${file} → ${target}`)
  expect(wrong).toEqual([])
})

test('[L10] no barrel files', () => {
  expect(files.filter((file) => /(^|\/)index\.ts$/.test(file))).toEqual([])
})

describe('core and protocol are pure', () => {
  const pure = files.filter((file) => isWithin(file, 'protocol') || isWithin(file, 'control-plane/core'))
  const banned = [
    ['Date.now', /\bDate\.now\b/],
    ['new Date()', /\bnew Date\(\s*\)|\bDate\(\s*\)/],
    ['Math.random', /\bMath\.random\b/],
    ['performance', /\bperformance\./],
    ['crypto', /\bcrypto\./],
    ['timers', /\b(setTimeout|setInterval|queueMicrotask)\b/],
    ['fetch', /\bfetch\(/],
    ['async', /\basync\b|\bawait\b/],
    ['any', /:\s*any\b|\bas any\b|<any>/],
    ['as never', /\bas never\b/],
  ] as const
  test.each(banned)('[L11] neither names %s', (_name, pattern) => {
    expect(pure.length).toBeGreaterThan(30)
    expect(pure.filter((file) => pattern.test(codeOf(file)))).toEqual([])
  })
})

test('[L12] no file of the project is above 300 lines', () => {
  const long = files.filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length > 301)
  expect(long).toEqual([])
})
