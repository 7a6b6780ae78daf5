import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, releaseModel } from '#engines/whisper/model-folder.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { writeRandomWhisper } from '#tests/kit/whisper-models.ts'
import { PRECISIONS, type Precision } from '#tests/kit/whisper-precision.ts'
import type { Bound, Parity } from './parity.ts'
import { Peer } from './peer.ts'
import { type Case, compareCase, type Difference, melDifference } from './whisper-case.ts'

/**
 * The whisper engine's features, tokens and word times against transformers.js, greedy with timestamps, on random models and
 * sounds. Twice: the peer as it is, with those of our rules switched off that it does not have; and both with all rules of
 * the reference, which the peer is given as a logits processor. In each precision that the hub has, from the same files.
 */
const CASES: Readonly<Record<Precision, number>> = { fp32: 20, fp16: 5, int8: 5, q4: 5, q4f16: 5 }
/** What the peer calls them. */
const PEER_NAMES: Readonly<Record<Precision, string>> = {
  fp32: 'fp32',
  fp16: 'fp16',
  int8: 'q8',
  q4: 'q4',
  q4f16: 'q4f16',
}
const TOKEN_LIMIT = 80
const MOST_TIES = 0.01
/** A case has some twenty; fewer would be no comparison. */
const LEAST_WORDS = 10

export const parity: Parity = {
  peer: 'transformers.js 4.3.1',
  async *run(print) {
    await using peer = await Peer.start('transformers-whisper.mjs')
    for (const precision of PRECISIONS) {
      const found = await compared(precision, peer, print)
      for (const { where, what, gap } of found.differences)
        print(`different: ${where}: ${what}, best two ${gap.toExponential(1)} apart`)
      yield* bounds(precision, found)
    }
  },
}

interface Found {
  readonly differences: Difference[]
  tokens: number
  words: number
  times: number
  mel: number
}

async function compared(precision: Precision, peer: Peer, print: (line: string) => void): Promise<Found> {
  using folder = new TempFolder()
  const found: Found = { differences: [], tokens: 0, words: 0, times: 0, mel: 0 }
  for (let index = 0; index < CASES[precision]; index++) {
    const one = aCase(folder, index, precision)
    await peer.call('load', { folder: one.folder, dtype: PEER_NAMES[precision], threads: 1 })
    const model = await loadModel({
      runtimeModelId: one.name,
      folder: one.folder,
      threads: 1,
      device: 'cpu',
    })
    found.mel = Math.max(found.mel, await melDifference(model, peer, one))
    for (const rules of ['peer', 'reference'] as const) {
      const result = await compareCase(model, peer, one, rules)
      found.differences.push(...result.differences)
      found.tokens += result.tokens
      found.words += result.words
      found.times += result.times
      print(
        `${one.name} ${rules.padEnd(9)} ${one.seconds.toFixed(1)} s: ${result.tokens} tokens, ${result.times} times, ${result.words} words, ${result.differences.length} different`,
      )
    }
    await releaseModel(model)
  }
  return found
}

function bounds(precision: Precision, { differences, tokens, words, times, mel }: Found): Bound[] {
  const unexplained = differences.filter((one) => !one.isExplained).length
  const ties = differences.length - unexplained
  const runs = 2 * CASES[precision]
  const halfLimit = precision.endsWith('16') ? ' or are one half float' : ''
  return [
    {
      name: `${precision}: ${tokens} tokens, ${times} of their times and ${words} words in ${runs} runs`,
      found: `${unexplained} runs differ, and ${ties} ties`,
      limit: `none but where the best two logits lie within 1e-3${halfLimit}`,
      holds: unexplained === 0 && words > CASES[precision] * LEAST_WORDS,
    },
    {
      name: `${precision}: ties`,
      found: String(ties),
      limit: 'at most 1 % of the tokens',
      holds: ties <= MOST_TIES * tokens,
    },
    { name: `${precision}: mel`, found: mel.toExponential(1), limit: 'within 1e-4', holds: mel <= 1e-4 },
  ]
}

function aCase(folder: TempFolder, index: number, precision: Precision): Case {
  const name = `random-${precision}-${index}`
  const path = folder.join(name)
  const isEnglishOnly = index % 5 === 4
  const vocabulary = writeRandomWhisper(path, {
    seed: 100 + index,
    precision,
    melBins: index % 4 === 3 ? 128 : 80,
    ...(isEnglishOnly ? { languages: [] } : {}),
  })
  const seconds = 3 + ((index * 7) % 28)
  const audio = join(path, 'audio.f32')
  const samples = randomSound(index, Math.round(seconds * 16_000))
  writeFileSync(audio, samples)
  return {
    name,
    folder: path,
    audio,
    samples,
    seconds,
    vocabulary,
    tokenLimit: TOKEN_LIMIT,
    hearsOurs: precision !== 'fp32',
    isHalf: precision.endsWith('16'),
  }
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
