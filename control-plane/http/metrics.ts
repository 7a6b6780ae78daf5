import type { Measurements } from '../actions/fleet.ts'

/**
 * Prometheus text format. Labels are bounded: statuses, stages, answers and the caller's own pool, never ids or names.
 * All samples of a metric stand together under one HELP and one TYPE, as the format demands.
 */
type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number]

export function metricsText(measurements: Measurements): string {
  const { pool, jobs, queues, counters, statuses, held } = measurements
  const byStatus = Map.groupBy(statuses, (status) => status)
  const counts = Map.groupBy(counters, ({ name }) => name.split('{')[0] ?? name)
  return [
    metric(
      'jobs',
      'gauge',
      'Jobs of the tenant, by status.',
      jobs.map(({ status, count }) => [{ status }, count]),
    ),
    metric(
      'queue_depth',
      'gauge',
      'Tasks that wait, by stage.',
      queues.map(({ stage, depth }) => [{ pool, stage }, depth]),
    ),
    metric(
      'agents',
      'gauge',
      'Agents, by status.',
      Array.from(byStatus, ([status, all]): Sample => [{ pool, status }, all.length]),
    ),
    metric('tasks_held', 'gauge', 'Tasks that agents were offered or granted.', [[{ pool }, held]]),
    ...Array.from(counts, ([name, all]) =>
      metric(
        name,
        'counter',
        'Since the registry was last loaded.',
        all.map(({ name, value }): Sample => [{ pool, ...labelsOf(name) }, value]),
      ),
    ),
  ].join('')
}

function metric(name: string, kind: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `dalston_${name}{${written(labels)}} ${value}\n`)
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
