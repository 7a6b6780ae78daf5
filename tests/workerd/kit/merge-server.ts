import { join, resolve } from 'node:path'
import { createTestHarness } from 'wrangler'
import type { MergeOrder } from '#core/job/effects.ts'
import type { TaskOutcome } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'
import type worker from './merge-worker.ts'

/** The entrypoint Merge alone in the real runtime, with an R2 of its own. */
export type MergeServer = Awaited<ReturnType<typeof startMergeServer>>

interface MergeEnv {
  readonly BUCKET: R2Bucket
}

export async function startMergeServer() {
  const root = resolve(import.meta.dirname, '../../..')
  const harness = createTestHarness({
    root,
    workers: [
      {
        config: {
          name: 'merge',
          main: join(import.meta.dirname, 'merge-worker.ts'),
          compatibility_date: '2026-10-12',
          r2_buckets: [{ binding: 'BUCKET', bucket_name: 'dalston' }],
          durable_objects: { bindings: [{ name: 'JOB', class_name: 'Job' }] },
          migrations: [{ tag: 'v1', new_sqlite_classes: ['Job'] }],
        },
      },
    ],
  })
  await harness.listen()
  const handle = harness.getWorker<MergeEnv, { default: typeof worker }>()
  const { BUCKET: bucket } = await handle.getEnv()
  const entrypoint = await handle.getExport()
  return {
    bucket,
    merge: (order: MergeOrder): Promise<TaskOutcome> => entrypoint.run(order),
    close: () => harness.close(),
  }
}

export async function putLines(server: MergeServer, key: string, lines: readonly unknown[]): Promise<void> {
  await server.bucket.put(key, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

/** What lies where the order says; null when nothing does. */
export async function mergedLines(server: MergeServer, order: MergeOrder): Promise<Segment[] | null> {
  const object = await server.bucket.get(`${order.outputPrefix}transcript.jsonl`)
  if (object === null) return null
  const lines = (await object.text()).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Segment) // Merge wrote it
}
