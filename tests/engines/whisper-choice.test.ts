import { describe, expect, it } from 'vitest'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { onnxRuntime, openModel } from '#engines/onnx/runtime.ts'
import { applyRules, type LogitRules } from '#engines/whisper/logit-rules.ts'
import { chooseToken, textOnly } from '#engines/whisper/loop-choice.ts'
import { loopRules, rowState } from '#engines/whisper/loop-inputs.ts'
import { likeliest } from '#engines/whisper/sampling.ts'
import { seeded } from '#tests/kit/seeded.ts'

describe('choosing a token in a graph', () => {
  /** Text 0–29, end 30, special 31–39, timestamps 40–99. */
  const tokens = { endOfText: 30, noTimestamps: 39, firstTimestamp: 40, vocabularySize: 100 }
  const rules: LogitRules = {
    tokens,
    suppressed: Int32Array.of(3, 31, 32, 33, 34, 35, 36, 37, 38),
    suppressedFirst: Int32Array.of(),
    firstTimestampLimit: null,
    isMonotonic: true,
  }

  async function chooser() {
    const graph = graphBuilder('choice')
    const row = ['row', 1]
    const suppressed = graph.input('suppressed', 'float32', [tokens.vocabularySize])
    const choice = chooseToken(graph, tokens, {
      logits: graph.input('logits', 'float32', ['row', tokens.vocabularySize]),
      last: graph.input('last', 'int64', row),
      before: graph.input('before', 'bool', row),
      latest: graph.input('latest', 'int64', row),
      limit: graph.input('limit', 'int64', row),
      suppressed,
      textOnly: textOnly(graph, tokens, suppressed),
      isMonotonic: graph.input('monotonic', 'bool', []),
    })
    graph.output('token', choice.token, 'int64', row)
    graph.output('logProb', choice.logProb, 'float32', row)
    const session = await openModel(graph.model(), { threads: 1 })
    const { Tensor } = await onnxRuntime()
    return async (logits: Float32Array, written: readonly number[], limit: number, all: LogitRules) => {
      const state = rowState(written, tokens.firstTimestamp, limit)
      const { suppressed, isMonotonic } = loopRules(all)
      const integer = (value: number) => new Tensor('int64', BigInt64Array.of(BigInt(value)), [1, 1])
      const { token, logProb } = await session.run({
        logits: new Tensor('float32', logits, [1, logits.length]),
        last: integer(state.last),
        before: new Tensor('bool', [state.isBehindTimestamp], [1, 1]),
        latest: integer(state.latestTimestamp ?? tokens.firstTimestamp - 1),
        limit: integer(state.timestampLimit),
        suppressed: new Tensor('float32', suppressed, [suppressed.length]),
        monotonic: new Tensor('bool', [isMonotonic], []),
      })
      return { token: Number(token?.data[0]), logProb: Number(logProb?.data[0]) }
    }
  }

  it('[WH18] is the likeliest by the rules of WH5, whatever was written', async () => {
    const choose = await chooser()
    const random = seeded(5)
    const integer = (below: number) => Math.floor(random() * below)
    const kinds = new Set<string>()
    for (let round = 0; round < 1000; round++) {
      const written = Array.from({ length: 1 + integer(5) }, () =>
        integer(3) > 0 ? tokens.firstTimestamp + integer(60) : integer(tokens.endOfText),
      )
      const limit = integer(60)
      const lift = [0, 3, -3, 6][integer(4)] ?? 0
      const logits = Float32Array.from(
        { length: tokens.vocabularySize },
        (_, token) => random() * 6 + (token >= tokens.firstTimestamp ? lift : 0),
      )
      const all = { ...rules, isMonotonic: integer(2) === 0 }
      const ours = await choose(logits.slice(), written, limit, all)
      applyRules(logits, written, all, limit)
      const expected = { token: 0, logProb: 0 }
      likeliest(logits, expected)
      expect(ours.token).toBe(expected.token)
      expect(ours.logProb).toBeCloseTo(expected.logProb, 4)
      kinds.add(ours.token >= 40 ? 'timestamp' : ours.token >= 30 ? 'end' : 'text')
    }
    expect(kinds.size).toBe(3)
  })

  it('[WH19] NaN stays NaN', async () => {
    const choose = await chooser()
    const { logProb } = await choose(new Float32Array(100).fill(Number.NaN), [40], 50, rules)
    expect(logProb).toBeNaN()
  })
})
