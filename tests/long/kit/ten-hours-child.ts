import type { Tensor } from 'onnxruntime-node'
import { ENGINES } from '#engines/list.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { openModel } from '#engines/onnx/runtime.ts'
import { PARAMETERS } from '#tests/kit/engine-runs.ts'
import type { LongTask, Measured } from './ten-hours.ts'

/** A process that transcribes one long recording, as the agent's child does, and tells what it cost at every report. */
const task: LongTask = JSON.parse(process.argv[2] ?? '')
const counts = { runs: 0, values: 0 }
await countRuns()

const entry = ENGINES.find(({ manifest }) => manifest.id === task.engine)
if (entry === undefined) throw new Error(`There is no engine ${task.engine}`)
const engine = await entry.load()
const model = await engine.load({
  runtimeModelId: 'long',
  folder: task.modelFolder,
  threads: 1,
  device: 'cpu',
})
const measured: Measured[] = []
const summary = await engine.run(
  {
    stage: 'transcribe',
    inputs: {
      audio: { path: task.audio, format: 's16le', start: 0, end: task.seconds },
      speechRegions: task.regions,
    },
    outputFolder: task.outputFolder,
    parameters: { ...PARAMETERS, granularity: task.granularity },
  },
  model,
  {
    signal: new AbortController().signal,
    batchScale: 1,
    report: ({ percent }) =>
      measured.push({ percent: percent ?? 0, ...counts, rssBytes: process.memoryUsage.rss() }),
  },
)
await engine.dispose(model)
process.send?.({ summary, measured })

/** Every run of a network, and how many numbers went into it: the work, whatever the clock says. */
async function countRuns(): Promise<void> {
  const graph = graphBuilder('any')
  graph.output('y', graph.node('Neg', [graph.input('x', 'float32', ['n'])]), 'float32', ['n'])
  const session = await openModel(graph.model(), { threads: 1 })
  const prototype: Pick<typeof session, 'run'> = Object.getPrototypeOf(session)
  const { run } = prototype
  prototype.run = function counted(feeds: Readonly<Record<string, Tensor>>, ...rest: unknown[]) {
    counts.runs += 1
    for (const tensor of Object.values(feeds)) counts.values += tensor.size
    return Reflect.apply(run, this, [feeds, ...rest])
  }
  await session.release()
}
