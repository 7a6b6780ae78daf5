import { z } from 'zod'

/** ISO 639-1 or 639-3, lower case, with an optional region: `en`, `hrv`, `pt-br`. */
export const Language = z
  .string()
  .regex(/^[a-z]{2,3}(-[a-z0-9]{2,8})?$/, 'expected an ISO 639 language code such as en')
export type Language = z.infer<typeof Language>

/** Whether a model that lists `languages` (null: any) serves `language`; a bare code covers its regions. */
export function speaks(languages: readonly string[] | null, language: string): boolean {
  if (languages === null) return true
  return languages.includes(language) || languages.includes(language.split('-')[0] ?? language)
}
