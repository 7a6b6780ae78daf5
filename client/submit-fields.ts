import type { z } from 'zod'
import type { CreateJobFields } from '#protocol/submit.ts'

/** What a job is asked with, as values: numbers, flags, lists. The file and what stands for it are given apart. */
export type SubmitFields = {
  readonly [Name in keyof Asked]?: Unbranded<Asked[Name]> | undefined
}
type Asked = Omit<CreateJobFields, 'upload_id'>
/** Callers hold ids as plain text; the server checks them. */
type Unbranded<T> = T extends z.core.$brand ? string : T

/** The fields as a form holds them: text each, lists and objects as JSON. What is not given is left to the server. */
export function formFields(fields: SubmitFields): [name: string, text: string][] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)])
}
