import type { Measurements } from '#core/registry/gauges.ts'

/**
 * Prometheus text format. Labels are bounded: statuses, stages, answers and the caller's own pool, never ids or names.
 * All samples of a metric stand together under one HELP and one TYPE, as the format demands.
 */
type Labels = Readonly<Record<string, string>>
type Sample = readonly [name: string, labels: Labels, value: number]
type Kind = 'gauge' | 'counter' | 'histogram'

export function metricsText(measurements: Measurements): string {
  const { pool, jobs, stageDepths, engineDepths, counters, statuses, held, waitingJobs } = measurements
  const byStatus = Map.groupBy(statuses, (status) => status)
  const counts = Map.groupBy(counters, ({ name }) => familyOf(name))
  return [
    metric(
      'jobs',
      'gauge',
      'Jobs of the tenant, by status.',
      jobs.map(({ status, count }) => ['jobs', { status }, count]),
    ),
    metric('jobs_waiting', 'gauge', 'Jobs that wait for an engine.', [
      ['jobs_waiting', { pool }, waitingJobs],
    ]),
    metric(
      'queue_depth',
      'gauge',
      'Tasks that wait, by each engine that could run them.',
      engineDepths.map(({ engine, depth }) => ['queue_depth', { pool, engine }, depth]),
    ),
    metric(
      'stage_queue_depth',
      'gauge',
      'Tasks that wait, by stage.',
      stageDepths.map(({ stage, depth }) => ['stage_queue_depth', { pool, stage }, depth]),
    ),
    metric(
      'agents',
      'gauge',
      'Agents, by status.',
      Array.from(byStatus, ([status, all]): Sample => ['agents', { pool, status }, all.length]),
    ),
    metric('tasks_held', 'gauge', 'Tasks that agents were offered or granted.', [
      ['tasks_held', { pool }, held],
    ]),
    ...Array.from(counts, ([family, all]) => {
      const [kind, help] = FAMILIES[family] ?? ['counter', 'Of this pool.']
      const samples = all.map(({ name, value }): Sample => [bare(name), { pool, ...labelsOf(name) }, value])
      return metric(family, kind, help, samples)
    }),
  ].join('')
}

const FAMILIES: Readonly<Record<string, readonly [kind: Kind, help: string]>> = {
  jobs_total: ['counter', 'Jobs that ended, by status.'],
  tasks_total: ['counter', 'Runs of tasks that ended, by stage and status.'],
  task_results_total: ['counter', 'Results of agents, by the answer that the job gave.'],
  task_duration_seconds: ['histogram', 'How long a completed task took on its agent, by stage and engine.'],
  job_duration_seconds: ['histogram', 'From submit to end, by status.'],
}

/** The metric that a sample belongs to: a histogram's samples have a suffix. */
function familyOf(name: string): string {
  const whole = bare(name)
  const family = whole.replace(/_(bucket|sum|count)$/, '')
  return FAMILIES[family]?.[0] === 'histogram' ? family : whole
}

function bare(name: string): string {
  return name.split('{')[0] ?? name
}

function metric(name: string, kind: Kind, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([sample, labels, value]) => `dalston_${sample}{${written(labels)}} ${value}\n`)
  return `# HELP dalston_${name} ${help}\n# TYPE dalston_${name} ${kind}\n${lines.join('')}`
}

function written(labels: Labels): string {
  const escaped = (value: string) =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')
}

/** The registry counts under names such as `task_results_total{answer="accepted"}`. */
function labelsOf(name: string): Labels {
  return Object.fromEntries(
    Array.from(name.matchAll(/(\w+)="([^"]*)"/g), ([, label = '', value = '']) => [label, value]),
  )
}
