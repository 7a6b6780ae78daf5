import type { Parity } from './parity.ts'

/** `npm run parity -- NAME...`: holds engines to other libraries' results; no name: all. Ends with 1 where a bound is broken. */
const PARITIES: Readonly<Record<string, () => Promise<{ readonly parity: Parity }>>> = {
  whisper: () => import('./whisper.ts'),
  tdt: () => import('./tdt.ts'),
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => PARITIES[name] === undefined)
if (unknown.length > 0) {
  console.error(`parity: there is no ${unknown.join(', ')}; there are ${Object.keys(PARITIES).join(', ')}`)
  process.exit(2)
}
for (const name of names.length > 0 ? names : Object.keys(PARITIES)) {
  const { parity } = (await PARITIES[name]?.()) ?? {}
  if (parity === undefined) continue
  console.log(`${name}: against ${parity.peer}`)
  for await (const bound of parity.run((line) => console.log(`  ${line}`))) {
    console.log(`  ${bound.holds ? 'holds ' : 'BROKEN'} ${bound.name}: ${bound.found} (${bound.limit})`)
    if (!bound.holds) process.exitCode = 1
  }
}
