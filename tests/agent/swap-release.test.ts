import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writeWeightyModel } from '#tests/kit/weighty-model.ts'
import { aFolder } from './kit/agents.ts'
import { swapAgain } from './kit/swapper.ts'
import { aSwapper } from './kit/swaps.ts'

it('[SW8] over many swaps of a model the memory after each release stays what it was after the first', async () => {
  const onnx = join(await aFolder(), 'weighty.onnx')
  await writeWeightyModel(onnx, 24)
  const swapper = await aSwapper({ keepAliveSeconds: 0 })
  await swapper.model('weighty', { onnx })
  const afterMib: number[] = []
  for (let swap = 0; swap < 25; swap++) afterMib.push(await swapAgain(swapper, 'weighty'))

  const [first = 0] = afterMib
  expect(Math.max(...afterMib)).toBeLessThanOrEqual(first * 1.1)
  expect(swapper.hosts.measuredMib('weighty')).toBeGreaterThan(24)
  // It was released, not thrown away with its process.
  expect(swapper.pids).toHaveLength(1)
})
