import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import type { Bound, Parity } from './parity.ts'
import { Peer } from './peer.ts'
import { type Case, compareCase, type Difference, melDifference } from './whisper-case.ts'

/**
 * The whisper engine's features, tokens and word times against transformers.js, greedy with timestamps, on random models and
 * sounds. Twice: the peer as it is, with those of our rules switched off that it does not have; and both with all rules of
 * the reference, which the peer is given as a logits processor.
 */
const CASES = 20
const TOKEN_LIMIT = 80
const MOST_TIES = 0.01

export const parity: Parity = {
  peer: 'transformers.js 4.3.1',
  async *run(print) {
    using folder = new TempFolder()
    await using peer = await Peer.start('transformers-whisper.mjs')
    const differences: Difference[] = []
    const counts = { tokens: 0, words: 0, times: 0 }
    let mel = 0
    for (let index = 0; index < CASES; index++) {
      const one = aCase(folder, index)
      await peer.call('load', { folder: one.folder, dtype: 'fp32', threads: 1 })
      const model = await loadModel({
        runtimeModelId: one.name,
        folder: one.folder,
        threads: 1,
        device: 'cpu',
      })
      mel = Math.max(mel, await melDifference(model, peer, one))
      for (const rules of ['peer', 'reference'] as const) {
        const result = await compareCase(model, peer, one, rules)
        differences.push(...result.differences)
        counts.tokens += result.tokens
        counts.words += result.words
        counts.times += result.times
        print(
          `${one.name} ${rules.padEnd(9)} ${one.seconds.toFixed(1)} s: ${result.tokens} tokens, ${result.times} times, ${result.words} words, ${result.differences.length} different`,
        )
      }
      await releaseModel(model)
    }
    for (const { where, what, gap } of differences)
      print(`different: ${where}: ${what}, best two ${gap.toExponential(1)} apart`)
    yield* bounds(differences, counts, mel)
  },
}

function bounds(
  differences: readonly Difference[],
  counts: { tokens: number; words: number; times: number },
  mel: number,
): Bound[] {
  const { tokens, words, times } = counts
  const unexplained = differences.filter((one) => !one.isExplained).length
  const ties = differences.length - unexplained
  return [
    {
      name: `${tokens} tokens, ${times} of their times and ${words} words in ${2 * CASES} runs`,
      found: `${unexplained} runs differ, and ${ties} ties`,
      limit: 'none but where the best two logits lie within 1e-3',
      holds: unexplained === 0 && words > 500,
    },
    { name: 'ties', found: String(ties), limit: 'at most 1 % of the tokens', holds: ties <= MOST_TIES * tokens },
    { name: 'mel', found: mel.toExponential(1), limit: 'within 1e-4', holds: mel <= 1e-4 },
  ]
}

function aCase(folder: TempFolder, index: number): Case {
  const name = `random-${index}`
  const path = folder.join(name)
  const isEnglishOnly = index % 5 === 4
  const vocabulary = writeRandomWhisper(path, {
    seed: 100 + index,
    melBins: index % 4 === 3 ? 128 : 80,
    ...(isEnglishOnly ? { languages: [] } : {}),
  })
  const seconds = 3 + ((index * 7) % 28)
  const audio = join(path, 'audio.f32')
  const samples = randomSound(index, Math.round(seconds * 16_000))
  writeFileSync(audio, samples)
  return { name, folder: path, audio, samples, seconds, vocabulary, tokenLimit: TOKEN_LIMIT }
}

/** Tones that come and go over a little noise. */
function randomSound(seed: number, length: number): Float32Array {
  const random = seeded(seed)
  const samples = Float32Array.from({ length }, () => (random() - 0.5) * 0.02)
  for (let at = 0; at < length; at += 1600) {
    const [hertz, level] = [100 + random() * 4000, random() < 0.3 ? 0 : random() * 0.4]
    for (let index = at; index < Math.min(length, at + 1600); index++)
      samples[index] = (samples[index] ?? 0) + level * Math.sin((2 * Math.PI * hertz * index) / 16_000)
  }
  return samples
}
