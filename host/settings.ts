import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { SettingName } from '#protocol/setting-fields.ts'
import { type Given, givenVariables, readSettings, SETTINGS, type Settings } from '#protocol/settings.ts'
import type { Environment } from './data-folder.ts'
import { SettingsError, systemCode } from './host-error.ts'

export type SettingSource = 'default' | 'file' | 'environment'

export interface HostSettings {
  readonly settings: Settings
  readonly sourceOf: (name: SettingName) => SettingSource
}

/**
 * The settings of the server on this data folder: `settings.yaml` in it, and over that the environment.
 * @throws SettingsError with a sentence for each that cannot be used.
 */
export function readHostSettings(dataPath: string, environment: Environment): HostSettings {
  const path = settingsPath(dataPath)
  const inFile = givenInFile(path)
  const inEnvironment = givenVariables(environment)
  const read = readSettings({ ...inFile, ...inEnvironment })
  if (!read.ok) throw new SettingsError(read.problems)
  return {
    settings: read.settings,
    sourceOf(name) {
      if (Object.hasOwn(inEnvironment, name)) return 'environment'
      return (inFile[name]?.value ?? '') === '' ? 'default' : 'file'
    },
  }
}

export function settingsPath(dataPath: string): string {
  return join(dataPath, 'settings.yaml')
}

/** As text variables of the Worker, all of them: nothing that wrangler.toml says for the edge counts here. */
export function settingVariables(settings: Settings): Record<string, string> {
  return Object.fromEntries(SETTINGS.map(({ name, variable }) => [variable, String(settings[name] ?? '')]))
}

const SettingsFile = z.record(z.string(), z.unknown()).nullable()

function givenInFile(path: string): Record<string, Given> {
  const file = SettingsFile.safeParse(parseYaml(path, readIfThere(path)))
  if (!file.success) {
    throw new SettingsError([
      `${path}: expected lines such as \`lease_seconds: 60\`, one a setting; correct the file, or remove it.`,
    ])
  }
  const lines = Object.entries(file.data ?? {})
  return Object.fromEntries(lines.map(([name, value]) => [name, { value, where: `${name} in ${path}` }]))
}

function parseYaml(path: string, text: string): unknown {
  try {
    return parse(text, { logLevel: 'error' })
  } catch (error) {
    const sentence = firstLine(error instanceof Error ? error.message : String(error))
    throw new SettingsError([`${path} is no YAML: ${sentence}; correct the file, or remove it.`], {
      cause: error,
    })
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = systemCode(error)
    // No file, no settings; that the folder itself is none is told where it is opened.
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw new SettingsError([`${path} cannot be read (${code}); make it readable, or remove it.`], {
      cause: error,
    })
  }
}

/** YAML's complaints draw the place in further lines. */
function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/[:.]$/, '')
}
