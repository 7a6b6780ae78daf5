import { z } from 'zod'
import { EngineId } from './ids.ts'

/** What a reader wants to know of a setting; it stands beside the schema of its value, so that both change together. */
export interface SettingFact {
  readonly range: string
  readonly sentence: string
  readonly isNumber: boolean
}
export const settingFacts = z.registry<SettingFact>()

/** What an operator may set, each with its default. Seconds may be fractions. */
export const SettingFields = z.strictObject({
  heartbeat_seconds: seconds(10, 0.05, 300, 'How often an agent says that it is there.'),
  suspect_seconds: seconds(30, 0.1, 3600, 'An agent not heard of for so long is shown as suspect.'),
  offline_seconds: seconds(
    60,
    0.1,
    86_400,
    'An agent not heard of for so long is offline; until then its engines count as there.',
  ),
  lease_seconds: seconds(30, 0.1, 3600, 'How long an agent keeps a task without extending its lease.'),
  lease_extend_seconds: seconds(7.5, 0.03, 1200, 'How often an agent extends the lease of a task.'),
  offer_seconds: seconds(5, 0.05, 300, 'How long an agent may think about an offered task.'),
  start_seconds: seconds(15, 0.1, 3600, 'A granted task that has not started by then is offered anew.'),
  result_ack_seconds: seconds(
    5,
    0.05,
    600,
    'An agent sends a result again that was not answered for so long.',
  ),
  inquiry_seconds: seconds(
    60,
    0.1,
    3600,
    'A job that heard nothing of a dispatched task for so long asks after it.',
  ),
  retry_delay_seconds: seconds(
    1,
    0.01,
    3600,
    'The longest wait before the first retry; it doubles with each.',
  ),
  retry_delay_max_seconds: seconds(60, 0.01, 86_400, 'No wait before a retry is longer.'),
  max_retries: z.int().min(0).max(10).nullable().default(null).register(settingFacts, {
    range: 'a whole number from 0 to 10, or nothing',
    sentence: 'How often any stage is run again; empty: as often as suits each stage.',
    isNumber: true,
  }),
  run_limit_factor: number(
    5,
    0.1,
    1000,
    'times',
    'A task may run for so many times the length of its audio.',
  ),
  run_limit_floor_seconds: seconds(
    600,
    0.1,
    86_400,
    'Every task may run for so long, however short its audio is.',
  ),
  run_limit_unknown_seconds: seconds(
    3600,
    0.1,
    86_400,
    'How long a task may run whose audio has no known length.',
  ),
  job_limit_seconds: seconds(86_400, 0.1, 2_592_000, 'A job that is not done by then fails.'),
  unavailable_behavior: z.enum(['fail', 'wait']).default('fail').register(settingFacts, {
    range: 'fail or wait',
    sentence: 'Whether a request that no running engine can serve is refused, or waits for one.',
    isNumber: false,
  }),
  unavailable_wait_seconds: seconds(300, 0.1, 86_400, 'A task that waits for an engine fails after so long.'),
  engine_preference: EngineId.nullable().default(null).register(settingFacts, {
    range: 'modular, an engine id such as ctc, or nothing',
    sentence: 'Which engine serves where several can; empty: the best one is chosen.',
    isNumber: false,
  }),
  aging_seconds: seconds(
    600,
    0.1,
    86_400,
    'A waiting task rises by one priority class after each such time.',
  ),
  model_queue_limit: count(
    16,
    1,
    1000,
    'How many orders about models may wait on one agent; more are refused.',
  ),
  models_auto_pull: z.enum(['off', 'on']).default('off').register(settingFacts, {
    range: 'off or on',
    sentence: 'Whether a job whose model no agent has on disk has it pulled and waits, or is refused.',
    isNumber: false,
  }),
  models_auto_pull_seconds: seconds(
    3600,
    0.1,
    86_400,
    'A job that has its model pulled waits for so long at least.',
  ),
  otlp_endpoint: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .nullable()
    .default(null)
    .register(settingFacts, {
      range: 'an http:// or https:// address, or nothing',
      sentence: 'Where traces are sent by OTLP; empty: nowhere.',
      isNumber: false,
    }),
})
export type SettingName = keyof z.infer<typeof SettingFields>

/** Two settings that would work against each other: `larger` is at least (`beyond`: more than) `times` × `smaller`. */
export interface SettingPair {
  readonly larger: SettingName
  readonly smaller: SettingName
  readonly times: number
  readonly beyond: boolean
  readonly why: string
}

export const SETTING_PAIRS: readonly SettingPair[] = [
  // Agents refuse a lease of exactly three extensions (agent/config.ts).
  moreThan('lease_seconds', 3, 'lease_extend_seconds', 'three extensions may be lost'),
  moreThan('lease_seconds', 1, 'offer_seconds', 'an offer ends before a lease would'),
  atLeast('suspect_seconds', 2, 'heartbeat_seconds', 'one heartbeat may be lost'),
  atLeast('offline_seconds', 1, 'suspect_seconds', 'an agent is suspect before it is offline'),
  atLeast('retry_delay_max_seconds', 1, 'retry_delay_seconds', 'the first wait is the shortest'),
  atLeast('job_limit_seconds', 1, 'run_limit_floor_seconds', 'a task ends before its job has to'),
]

function moreThan(larger: SettingName, times: number, smaller: SettingName, why: string): SettingPair {
  return { larger, smaller, times, beyond: true, why }
}

function atLeast(larger: SettingName, times: number, smaller: SettingName, why: string): SettingPair {
  return { larger, smaller, times, beyond: false, why }
}

function seconds(fallback: number, least: number, most: number, sentence: string) {
  return number(fallback, least, most, 'seconds', sentence)
}

function count(fallback: number, least: number, most: number, sentence: string) {
  const fact = { range: `a whole number from ${least} to ${most}`, sentence, isNumber: true }
  return z.int().min(least).max(most).default(fallback).register(settingFacts, fact)
}

function number(fallback: number, least: number, most: number, unit: string, sentence: string) {
  const fact = { range: `${least} to ${most} ${unit}`, sentence, isNumber: true }
  return z.number().min(least).max(most).default(fallback).register(settingFacts, fact)
}
