import { describe, expect, it } from 'vitest'
import { convolutionGeometry } from '#engines/ctc/hub-config.ts'
import { logSoftmax, normalize } from '#engines/ctc/posteriors.ts'
import { HUB_CONFIG } from '#tests/kit/ctc-hub-model.ts'

describe('the layers around an exported network', () => {
  it('[C15] frames lie as the convolutions put them', () => {
    expect(convolutionGeometry(HUB_CONFIG)).toEqual({ hop: 320, reach: 400 })
    expect(convolutionGeometry({ conv_kernel: [3], conv_stride: [2] })).toEqual({ hop: 2, reach: 3 })
  })

  it('[C15] sound of mean 0 and variance 1; silence stays silent', () => {
    const samples = Float32Array.from({ length: 1000 }, (_, at) => 3 + 0.1 * Math.sin(at))
    normalize(samples)
    expect(samples.reduce((sum, sample) => sum + sample, 0) / 1000).toBeCloseTo(0, 4)
    expect(samples.reduce((sum, sample) => sum + sample ** 2, 0) / 1000).toBeCloseTo(1, 3)
    const silence = new Float32Array(10)
    normalize(silence)
    expect([...silence]).toEqual([...new Float32Array(10)])
  })

  it('[C16] logits become log probabilities; what marks have is the blank’s', () => {
    const rows = Float32Array.of(1, 2, 3, 4, 1000, -1000, 0, 999)
    logSoftmax(rows, 4, 0, [3])
    for (const row of [rows.subarray(0, 4), rows.subarray(4)])
      expect(row.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 5)
    expect(rows[3]).toBe(Number.NEGATIVE_INFINITY)
    const total = Math.exp(1) + Math.exp(2) + Math.exp(3) + Math.exp(4)
    expect(Math.exp(rows[0] ?? 0)).toBeCloseTo((Math.exp(1) + Math.exp(4)) / total, 5)
  })
})
