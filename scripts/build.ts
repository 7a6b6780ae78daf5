import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Builds what a server needs: the catalog, the console (Astro → dist/site) and the Worker (wrangler → dist/worker).
 * `--if-stale` does nothing when no source is newer than the last build.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUTPUT = join(ROOT, 'dist/worker/host.json')
const SOURCES = [
  'protocol',
  'control-plane',
  'site',
  'models',
  'engines',
  'migrations',
  'scripts',
  'host/host-build.ts',
  'wrangler.toml',
  'package-lock.json',
]
/** What lies among the sources and is not built: documents, recordings, how the model is made, what tools leave. */
const UNBUILT = /^(node_modules|\.astro|make|samples)$|\.md$/
/** Switches that keep the tools from telephoning home or asking. */
const QUIET = {
  ASTRO_TELEMETRY_DISABLED: '1',
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  CI: '1',
}

function newestMs(path: string): number {
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.mtimeMs
  const entries = readdirSync(path).filter((name) => !UNBUILT.test(name))
  return Math.max(0, ...entries.map((name) => newestMs(join(path, name))))
}

function run(command: string, parameters: readonly string[]): void {
  const result = spawnSync(join(ROOT, 'node_modules/.bin', command), parameters, {
    cwd: ROOT,
    env: { ...process.env, ...QUIET },
    encoding: 'utf8',
  })
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  process.stderr.write(
    `build: ${command} ${parameters.join(' ')} failed: ${result.error?.message ?? `exit ${result.status}`}\n`,
  )
  process.exit(1)
}

const stale =
  !existsSync(OUTPUT) ||
  Math.max(...SOURCES.map((path) => newestMs(join(ROOT, path)))) > statSync(OUTPUT).mtimeMs
if (process.argv.includes('--if-stale') && !stale) process.exit(0)

process.stderr.write('build: catalog, console, worker …\n')
run('node', ['scripts/build-catalog.ts'])
run('astro', ['build', '--root', 'site', '--silent'])
run('wrangler', ['deploy', '--dry-run', '--outdir', relative(ROOT, join(ROOT, 'dist/worker'))])
run('node', ['scripts/bake-host.ts'])
