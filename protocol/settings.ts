import type { z } from 'zod'
import { nearest } from './nearest.ts'
import {
  SETTING_PAIRS,
  type SettingFact,
  SettingFields,
  type SettingName,
  settingFacts,
} from './setting-fields.ts'

/** The operator's settings: one schema for the Worker's variables, a self-hosted server's file, and the documents. */
export const Settings = SettingFields.superRefine((settings, context) => {
  for (const { larger, smaller, times, beyond, why } of SETTING_PAIRS) {
    const [most, least] = [Number(settings[larger]), Number(settings[smaller]) * times]
    if (beyond ? most > least : most >= least) continue
    const bound = `${beyond ? 'more than' : 'at least'} ${times === 1 ? '' : `${times} × `}${smaller}`
    const message = `expected ${bound} (${settings[smaller]}), as ${why}, got ${settings[larger]}; change one of the two`
    context.addIssue({ code: 'custom', path: [larger], message })
  }
}).readonly()
export type Settings = z.infer<typeof Settings>

export const DEFAULT_SETTINGS: Settings = Settings.parse({})

/** The setting's name in the environment, and as a variable of the Worker. */
export type SettingVariable = `DALSTON_${Uppercase<SettingName>}`

export interface SettingRow extends SettingFact {
  readonly name: SettingName
  readonly variable: SettingVariable
  readonly default: Settings[SettingName]
}

/** Every setting as a reader meets it. */
export const SETTINGS: readonly SettingRow[] = SettingFields.keyof().options.map((name) => {
  const fact = settingFacts.get(SettingFields.shape[name])
  if (fact === undefined) throw new Error(`the setting ${name} has no range and no sentence`)
  // The names are ASCII, for which toUpperCase does what Uppercase says.
  const variable = `DALSTON_${name.toUpperCase()}` as SettingVariable
  return { name, variable, default: DEFAULT_SETTINGS[name], ...fact }
})

/** What somebody wrote for a setting, and where: `DALSTON_LEASE_SECONDS`, `lease_seconds in /data/settings.yaml`. */
export interface Given {
  readonly value: unknown
  readonly where: string
}

export type SettingsRead =
  | { readonly ok: true; readonly settings: Settings }
  /** A sentence each: where, what was expected, what came, what to do. */
  | { readonly ok: false; readonly problems: readonly string[] }

/** Reads variables. Other `DALSTON_…` variables have other meanings and are not looked at; an empty one says nothing. */
export function parseSettings(raw: Readonly<Record<string, string | undefined>>): SettingsRead {
  return readSettings(givenVariables(raw))
}

/** The settings among the variables, by the settings' names. */
export function givenVariables(raw: Readonly<Record<string, string | undefined>>): Record<string, Given> {
  const said = SETTINGS.filter(({ variable }) => raw[variable]?.trim())
  return Object.fromEntries(
    said.map(({ name, variable }) => [name, { value: raw[variable]?.trim(), where: variable }]),
  )
}

/** Checks what was given against the one schema; what was not given has its default. A name that is none is a problem. */
export function readSettings(given: Readonly<Record<string, Given>>): SettingsRead {
  const values = Object.entries(given).map(([name, { value }]) => [name, typed(name, value)] as const)
  const result = Settings.safeParse(Object.fromEntries(values))
  if (result.success) return { ok: true, settings: result.data }
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, given))
  return { ok: false, problems: [...new Set(problems)] } // 99.5 retries break two rules by one sentence
}

const DECIMAL = /^-?\d+(\.\d+)?$/

/** Text becomes the number that it is; nothing at all stands for the default. */
function typed(name: string, value: unknown): unknown {
  if (value === null || value === '') return undefined
  const isNumber = SETTINGS.some((row) => row.name === name && row.isNumber)
  return isNumber && typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value
}

function problemsOf(issue: z.core.$ZodIssue, given: Readonly<Record<string, Given>>): string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => unknownName(name, given[name]))
  const name = String(issue.path[0])
  const where = given[name]?.where ?? `${name} (by default)`
  if (issue.code === 'custom') return [`${where}: ${issue.message}.`]
  const row = SETTINGS.find((each) => each.name === name)
  const advice = `correct it, or leave it out${row?.default == null ? '' : ` for ${row.default}`}`
  return [`${where}: expected ${row?.range}, got ${shown(given[name]?.value)}; ${advice}.`]
}

function unknownName(name: string, given: Given | undefined): string {
  const known = SETTINGS.map((row): string => row.name)
  const meant = nearest(name.toLowerCase().replace(/^dalston_/, ''), known)
  return `${given?.where ?? name}: there is no such setting, the nearest is ${meant}; correct the name, or remove the line.`
}

/** As it was written, but for what would break the line. */
function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
