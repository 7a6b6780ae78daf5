import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { writeModelFile } from '#engines/onnx/write-model.ts'

/** A chain of products, y = x · W₁ · W₂ …: a real model whose weights take about so much, for loading and releasing. */
export async function writeWeightyModel(path: string, sizeMib: number): Promise<void> {
  const graph = graphBuilder('weighty')
  const weights = new Float32Array(WIDTH * WIDTH).map((_, index) => ((index * 7919) % 2000) / 1e6)
  let value = graph.input('x', 'float32', ['n', WIDTH])
  for (let layer = 0; layer < sizeMib / LAYER_MIB; layer++) {
    const scaled = weights.map((weight) => weight * (1 + layer / 1000))
    value = graph.node('MatMul', [value, graph.weight(float32(`w${layer}`, [WIDTH, WIDTH], scaled))])
  }
  graph.output('y', value, 'float32', ['n', WIDTH])
  await writeModelFile(path, graph.model())
}

const WIDTH = 1024
const LAYER_MIB = (WIDTH * WIDTH * 4) / 1024 ** 2
