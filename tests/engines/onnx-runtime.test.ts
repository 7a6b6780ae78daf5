import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import { SessionError } from '#engines/onnx/session-error.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { writeModelFile } from '#engines/onnx/write-model.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

function sums(operator = 'MatMul'): OnnxModel {
  const graph = graphBuilder('sums')
  const x = graph.input('x', 'float32', ['n', 64])
  const weight = graph.weight(float32('w', [64, 512], new Float32Array(64 * 512)))
  graph.output('y', graph.node(operator, [x, weight]), 'float32', ['n', 512])
  return graph.model()
}

async function errorOf(name: string, device: 'cpu' | 'cuda' | 'webgpu' = 'cpu'): Promise<SessionError> {
  const error = await openSession(folder.join(name), { threads: 1, device }).catch(
    (thrown: unknown) => thrown,
  )
  if (error instanceof SessionError) return error
  throw new Error('expected a SessionError', { cause: error })
}

describe('onnx runtime', () => {
  beforeAll(async () => {
    await writeModelFile(folder.join('whole.onnx'), sums())
    const bytes = readFileSync(folder.join('whole.onnx'))
    writeFileSync(folder.join('cut.onnx'), bytes.subarray(0, -5000))
    writeFileSync(folder.join('empty.onnx'), '')
    writeFileSync(folder.join('page.onnx'), '<html>Not found</html>')
    await writeModelFile(folder.join('strange.onnx'), sums('Frobnicate'))
    await writeModelFile(folder.join('outside.onnx'), sums(), { externalData: { location: 'outside.data' } })
    writeFileSync(folder.join('outside.data'), 'cut')
  })

  it.each<[string, string, string | RegExp]>([
    ['none.onnx', 'missing', 'none.onnx: the file does not exist'],
    [
      'cut.onnx',
      'invalid_model',
      /^cut\.onnx: the file is cut or no ONNX model: expected \d+ bytes, \d+ are left \(at byte \d+, in graph\)$/,
    ],
    [
      'empty.onnx',
      'invalid_model',
      /^empty\.onnx: the file is cut or no ONNX model: expected one graph, found 0/,
    ],
    ['page.onnx', 'invalid_model', /^page\.onnx: the file is cut or no ONNX model: expected a field/],
    [
      'strange.onnx',
      'invalid_model',
      /^strange\.onnx: ONNX Runtime refuses it: .*No Op registered for Frobnicate/,
    ],
    [
      'outside.onnx',
      'invalid_model',
      /^outside\.onnx: ONNX Runtime refuses it: .*w offset: 0 size to read: 131072 given file_length: 3/,
    ],
  ])('[ON10] %s is told in one sentence', async (name, problem, message) => {
    const error = await errorOf(name)
    expect(error.problem).toBe(problem)
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch(/\n|onnxruntime_src|\.cc:/)
  })

  it.each(['cuda', 'webgpu'] as const)(
    '[ON10] where there is no %s that is what the error says',
    async (device) => {
      // A box that has the device opens the model.
      const session = await openSession(folder.join('whole.onnx'), { threads: 1, device }).catch(() => null)
      if (session !== null) return session.release()
      expect(await errorOf('whole.onnx', device)).toMatchObject({
        problem: 'device_unavailable',
        message: expect.stringMatching(`^whole\\.onnx: ${device} cannot be used: `),
      })
    },
  )
})
