import { graphBuilder } from './graph-builder.ts'
import { onnxRuntime } from './runtime.ts'
import { encodeModel } from './write-model.ts'

/**
 * A program of its own, `node probe-device.ts cuda`: whether ONNX Runtime runs on this device here. A driver that is broken
 * may take the process with it, so nobody runs this in a process that matters. It sends one message to its parent: null, or
 * why not.
 */
const [device = ''] = process.argv.slice(2)

try {
  const graph = graphBuilder('probe')
  const x = graph.input('x', 'float32', [2, 2])
  graph.output('y', graph.node('MatMul', [x, x]), 'float32', [2, 2])
  const { InferenceSession, Tensor } = await onnxRuntime()
  const session = await InferenceSession.create(encodeModel(graph.model()), {
    executionProviders: [device],
    logSeverityLevel: 4,
  })
  const { y } = await session.run({ x: new Tensor('float32', [1, 2, 3, 4], [2, 2]) })
  const product = [...((await y?.getData()) ?? [])].join()
  end(product === '7,10,15,22' ? null : `a product came out wrong: ${product}`)
} catch (error) {
  end(error instanceof Error ? error.message : String(error))
}

function end(reason: string | null): void {
  process.send?.({ reason }, () => process.exit(0))
}
