import type { Measurements } from '../actions/fleet.ts'

/** Prometheus text format. Labels are bounded: statuses, stages and answers, never ids. */
export function metricsText(measurements: Measurements): string {
  const { jobs, queues, counters, statuses, held } = measurements
  const byStatus = new Map<string, number>()
  for (const status of statuses) byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
  return [
    metric(
      'jobs',
      'gauge',
      'Jobs in the index, by status.',
      jobs.map((row) => [`status="${row.status}"`, row.count]),
    ),
    metric(
      'queue_depth',
      'gauge',
      'Tasks that wait, by stage.',
      queues.map(({ stage, depth }) => [`stage="${stage}"`, depth]),
    ),
    metric(
      'agents',
      'gauge',
      'Agents, by status.',
      [...byStatus].map(([status, count]) => [`status="${status}"`, count]),
    ),
    metric('tasks_held', 'gauge', 'Tasks that agents were offered or granted.', [['', held]]),
    ...counters.map(({ name, value }) => {
      const [base = name, labels = ''] = name.split(/[{}]/)
      return metric(base, 'counter', 'Since the registry was last loaded.', [[labels, value]])
    }),
  ].join('')
}

function metric(
  name: string,
  kind: 'gauge' | 'counter',
  help: string,
  samples: readonly (readonly [string, number])[],
): string {
  const lines = samples.map(
    ([labels, value]) => `dalston_${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`,
  )
  return `# HELP dalston_${name} ${help}\n# TYPE dalston_${name} ${kind}\n${lines.join('')}`
}
