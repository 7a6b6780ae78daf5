import { readFileSync } from 'node:fs'

/**
 * Lists optional platform packages that package-lock.json lacks. `npm install` leaves one out silently when the
 * registry has no build of it, and then `npm ci` refuses the lock on every platform.
 */
interface LockedPackage {
  readonly name?: string
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const lock: { packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
  readFileSync(process.argv[2] ?? 'package-lock.json', 'utf8'),
)

/** Node's own resolution: the folder's node_modules, then each parent's. */
function isLocked(from: string, dependency: string): boolean {
  for (let folder = from; ; folder = folder.replace(/(^|\/)node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    if (lock.packages[`${folder ? `${folder}/` : ''}node_modules/${dependency}`]) return true
    if (folder === '') return false
  }
}

const missing = Object.entries(lock.packages).flatMap(([path, locked]) =>
  Object.entries(locked.optionalDependencies ?? {})
    .filter(([dependency]) => !isLocked(path, dependency))
    .map(([dependency, version]) => `${locked.name ?? path}@${locked.version}: ${dependency}@${version}`),
)

console.log(missing.length === 0 ? 'lock complete' : `missing from the lock:\n${missing.join('\n')}`)
process.exit(missing.length === 0 ? 0 : 1)
