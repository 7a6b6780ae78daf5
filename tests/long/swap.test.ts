import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Swapper, swapAgain } from '#tests/agent/kit/swapper.ts'
import { writeWeightyModel } from '#tests/kit/weighty-model.ts'

it('[SW8] over 100 swaps of 290 MB the memory after each release stays what it was after the first', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dalston-long-swap-'))
  const swapper = new Swapper(folder, { keepAliveSeconds: 0 })
  onTestFinished(async () => {
    await swapper.hosts.stop()
    await rm(folder, { recursive: true })
  })
  const onnx = join(folder, 'weighty.onnx')
  await writeWeightyModel(onnx, 290)
  await swapper.model('weighty', { onnx })
  const afterMib: number[] = []
  for (let swap = 0; swap < 100; swap++) afterMib.push(await swapAgain(swapper, 'weighty'))

  expect(Math.max(...afterMib)).toBeLessThanOrEqual((afterMib[0] ?? 0) * 1.1)
  expect(swapper.pids).toHaveLength(1)
})
