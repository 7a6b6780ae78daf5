import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readStepModel, writeLoopCopy } from '#engines/onnx/loop-file.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import { encodeModel, writeModelFile } from '#engines/onnx/write-model.ts'
import { ctcGreedy } from '#engines/parakeet/ctc-greedy.ts'
import type { Emission, Encoded } from '#engines/parakeet/emission.ts'
import { GraphLoop } from '#engines/parakeet/graph-loop.ts'
import type { GreedySearch } from '#engines/parakeet/greedy-search.ts'
import { loopGraph } from '#engines/parakeet/loop-graph.ts'
import { openSearch } from '#engines/parakeet/open-search.ts'
import { StepLoop } from '#engines/parakeet/step-loop.ts'
import { type SearchOptions, stepModelOf } from '#engines/parakeet/step-model.ts'
import { nextPlace } from '#engines/parakeet/transducer-step.ts'
import { TINY, tinyModel, writeRandomModel } from '#tests/kit/parakeet-models.ts'
import { decoderJoint, randomWeights, type TransducerShape } from '#tests/kit/parakeet-networks.ts'
import { quantized } from '#tests/kit/parakeet-quantized.ts'
import { seeded } from '#tests/kit/seeded.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())
const FILE = 'decoder_joint-model.onnx'
const nothing = async () => {}

function optionsFor(kind: 'tdt' | 'rnnt', mostTokens = 10): SearchOptions {
  return { tokens: TINY.tokens, mostTokens, hasDurations: kind === 'tdt' }
}

/** Both ways of searching with one model. */
async function bothWays(path: string, options: SearchOptions, roundsACall?: number) {
  const made = await readStepModel(path)
  const checked = stepModelOf(made.model.graph, options)
  if ('problem' in checked) throw new Error(checked.problem)
  const copy = await writeLoopCopy(folder.path, loopGraph(made.model, options))
  return {
    steps: new StepLoop(await openSession(path, { threads: 1 }), checked.stepModel),
    loop: new GraphLoop(
      await openSession(copy, { threads: 1 }),
      { ...checked.stepModel },
      ...(roundsACall === undefined ? [] : [roundsACall]),
    ),
  }
}

function noise(seed: number, lengths: readonly number[], channels = TINY.encoderSize): Encoded {
  const random = seeded(seed)
  const frames = Math.max(...lengths, 1)
  const data = Float32Array.from({ length: lengths.length * channels * frames }, () => random() * 2 - 1)
  return { data, items: lengths.length, channels, frames, lengths }
}

const places = (found: readonly (readonly Emission[])[]) =>
  found.map((item) => item.map(({ token, frame, frames }) => `${token}@${frame}+${frames}`).join(' '))

function expectSame(found: readonly Emission[][], truth: readonly Emission[][]) {
  expect(places(found)).toEqual(places(truth))
  for (const [item, emissions] of found.entries())
    for (const [index, { probability }] of emissions.entries())
      expect(probability).toBeCloseTo(truth[item]?.[index]?.probability ?? -1, 4)
}

let count = 0
function tinyFolder(kind: 'tdt' | 'rnnt', seed = 1): string {
  count += 1
  return writeRandomModel(folder.join(`model-${count}`), tinyModel(kind, seed))
}

async function released(searches: readonly GreedySearch[]) {
  for (const search of searches) await search.release()
}

describe('the graph of the loop', () => {
  it.each([
    ['tdt', 1],
    ['tdt', 2],
    ['tdt', 3],
    ['rnnt', 4],
    ['rnnt', 5],
  ] as const)('[PK2] finds what the step loop finds: %s, model %d', async (kind, seed) => {
    const { steps, loop } = await bothWays(join(tinyFolder(kind, seed), FILE), optionsFor(kind))
    for (const lengths of [[40], [1], [0, 3], [37, 5, 40, 12, 0, 1, 29, 40]]) {
      const encoded = noise(seed + lengths.length, lengths)
      const found = await loop.search(encoded, nothing)
      expectSame(found, await steps.search(encoded, nothing))
      if (lengths.includes(40)) expect(found.flat().length).toBeGreaterThan(10)
    }
    await released([steps, loop])
  })

  it.each([1, 7, 1000])('[PK2] however many rounds a call does: %d', async (rounds) => {
    const { steps, loop } = await bothWays(join(tinyFolder('tdt'), FILE), optionsFor('tdt'), rounds)
    const encoded = noise(9, [30, 8, 21])
    expectSame(await loop.search(encoded, nothing), await steps.search(encoded, nothing))
    await released([steps, loop])
  })

  it.each([1, 3, 10])('[PK3] goes on after %d tokens in one frame', async (mostTokens) => {
    // Blanks are hopeless: every frame is written full.
    const shape: TransducerShape = { ...TINY, durations: 0 }
    count += 1
    const path = folder.join(`talker-${count}.onnx`)
    writeFileSync(path, encodeModel(decoderJoint(shape, randomWeights(shape, seeded(2), -100))))
    const { steps, loop } = await bothWays(path, optionsFor('rnnt', mostTokens))
    const encoded = noise(3, [5, 2])
    const found = await loop.search(encoded, nothing)
    expectSame(found, await steps.search(encoded, nothing))
    expect(found.map((item) => item.length)).toEqual([5 * mostTokens, 2 * mostTokens])
    await released([steps, loop])
  })

  it('[PK11] a cancel is seen between calls of the loop, and between steps', async () => {
    const { steps, loop } = await bothWays(join(tinyFolder('tdt'), FILE), optionsFor('tdt'), 4)
    for (const search of [steps, loop]) {
      let looks = 0
      const cancelled = new Error('cancelled')
      const between = async () => {
        looks += 1
        if (looks === 2) throw cancelled
      }
      await expect(search.search(noise(1, [400, 400]), between)).rejects.toBe(cancelled)
    }
    await released([steps, loop])
  })
})

describe('the loop’s file', () => {
  const source = (path: string, options = optionsFor('tdt')) => ({
    files: { runtimeModelId: 'random', folder: path, threads: 1, device: 'cpu' as const },
    name: FILE,
    path: join(path, FILE),
    channels: TINY.encoderSize,
    options,
  })
  const loopsIn = (path: string) => readdirSync(path).filter((name) => name.startsWith('.loop-'))

  it('[PK4] what a process left that was killed while it built the graph goes; a living one’s stays', async () => {
    const path = tinyFolder('tdt')
    const left = (pid: number) => `.loop-decoder_joint-model-0.onnx.unproven-${pid}`
    // The highest number that Linux gives is 2²².
    for (const pid of [2 ** 30, process.ppid]) writeFileSync(join(path, left(pid)), 'half')
    await (await openSearch(source(path))).release()
    expect(loopsIn(path)).not.toContain(left(2 ** 30))
    expect(loopsIn(path)).toContain(left(process.ppid))
  })

  it('[PK4] is built once, holds no weights, and is built anew for another model or other options', async () => {
    const path = tinyFolder('tdt')
    const first = await openSearch(source(path))
    expect(first).toBeInstanceOf(GraphLoop)
    const [name = ''] = loopsIn(path)
    expect(loopsIn(path)).toHaveLength(1)
    const { size, mtimeMs } = statSync(join(path, name))
    expect(size).toBeLessThan(statSync(join(path, FILE)).size)
    const again = await openSearch(source(path))
    expect(statSync(join(path, name)).mtimeMs).toBe(mtimeMs)
    const encoded = noise(4, [20, 11])
    expectSame(await again.search(encoded, nothing), await first.search(encoded, nothing))
    const other = await openSearch(source(path, { ...optionsFor('tdt'), mostTokens: 5 }))
    expect(loopsIn(path)).toHaveLength(1)
    expect(loopsIn(path)).not.toEqual([name])
    await released([first, again, other])
  })

  it('[PK4] weights in a data file of the model’s stay there', async () => {
    const path = tinyFolder('tdt', 3)
    const { model } = await readStepModel(join(path, FILE))
    await writeModelFile(join(path, FILE), model, {
      externalData: { location: `${FILE}.data`, fromBytes: 64 },
    })
    const search = await openSearch(source(path))
    expect(search).toBeInstanceOf(GraphLoop)
    expect(loopsIn(path)).toHaveLength(1)
    const inOne = tinyFolder('tdt', 3)
    const { steps, loop } = await bothWays(join(inOne, FILE), optionsFor('tdt'))
    const encoded = noise(6, [20, 9])
    expectSame(await search.search(encoded, nothing), await steps.search(encoded, nothing))
    await released([search, steps, loop])
  })

  it('[PK4] a broken one is replaced', async () => {
    const path = tinyFolder('tdt')
    await (await openSearch(source(path))).release()
    const [name = ''] = loopsIn(path)
    writeFileSync(join(path, name), 'cut off')
    const search = await openSearch(source(path))
    expect(search).toBeInstanceOf(GraphLoop)
    expect(statSync(join(path, name)).size).toBeGreaterThan(1000)
    await search.release()
  })

  it('[PK4] weights behind a link out of the folder, which the runtime does not follow, are copied while it loads', async () => {
    const blobs = tinyFolder('tdt')
    const path = folder.join('linked')
    mkdirSync(path)
    renameSync(join(blobs, FILE), join(blobs, 'blob'))
    symlinkSync(join(blobs, 'blob'), join(path, FILE))
    const search = await openSearch(source(path))
    expect(search).toBeInstanceOf(GraphLoop)
    expect(loopsIn(path)).toEqual([])
    const { steps } = await bothWays(join(path, FILE), optionsFor('tdt'))
    const encoded = noise(6, [20, 20])
    expectSame(await search.search(encoded, nothing), await steps.search(encoded, nothing))
    await released([search, steps])
  })

  it.each(['tdt', 'rnnt'] as const)(
    '[PK2] int8 operators run in the loop, and item by item find what the step loop finds: %s',
    async (kind) => {
      const path = tinyFolder(kind, 5)
      const made = await readStepModel(join(path, FILE))
      writeFileSync(join(path, FILE), encodeModel(quantized(made.model)))
      const search = await openSearch(source(path, optionsFor(kind)))
      expect(search).toBeInstanceOf(GraphLoop)
      const { steps, loop } = await bothWays(join(path, FILE), optionsFor(kind))
      for (const seed of [1, 2, 3]) {
        const encoded = noise(seed, [60])
        const truth = await steps.search(encoded, nothing)
        expectSame(await search.search(encoded, nothing), truth)
        expect(truth.flat().length).toBeGreaterThan(5)
      }
      expect((await search.search(noise(4, [60, 40, 7]), nothing)).flat().length).toBeGreaterThan(5)
      await released([search, steps, loop])
    },
  )

  it('[PK4] a model that cannot run for two items is searched step by step', async () => {
    const path = tinyFolder('tdt')
    const made = await readStepModel(join(path, FILE))
    // As a traced export may have it: the batch of one is baked in.
    const { graph } = made.model
    const [gather, ...rest] = graph.nodes
    if (gather === undefined) throw new Error('expected nodes')
    const reshape = { operator: 'Reshape', inputs: ['targets', 'one_by_one'], outputs: ['fixed_targets'] }
    const shape = {
      name: 'one_by_one',
      type: 'int64',
      shape: [2],
      data: new Uint8Array(BigInt64Array.of(1n, 1n).buffer),
    } as const
    const nodes = [reshape, { ...gather, inputs: [gather.inputs[0] ?? '', 'fixed_targets'] }, ...rest]
    const fixed = {
      ...made.model,
      graph: { ...graph, nodes, initializers: [...graph.initializers, shape] },
    }
    writeFileSync(join(path, FILE), encodeModel(fixed))
    const search = await openSearch(source(path))
    expect(search).toBeInstanceOf(StepLoop)
    expect(loopsIn(path)).toEqual([])
    expect((await search.search(noise(6, [20, 20]), nothing)).flat().length).toBeGreaterThan(0)
    await search.release()
  })
})

describe('greedy search', () => {
  it.each([
    { place: { frame: 4, written: 0 }, isBlank: false, duration: 3, next: { frame: 7, written: 0 } },
    { place: { frame: 4, written: 2 }, isBlank: true, duration: 4, next: { frame: 8, written: 0 } },
    { place: { frame: 4, written: 0 }, isBlank: false, duration: 0, next: { frame: 4, written: 1 } },
    { place: { frame: 4, written: 9 }, isBlank: false, duration: 0, next: { frame: 5, written: 0 } },
    { place: { frame: 4, written: 1 }, isBlank: true, duration: 0, next: { frame: 5, written: 0 } },
  ])('[PK3] $place, blank: $isBlank, duration $duration → $next', ({ place, isBlank, duration, next }) => {
    expect(nextPlace(place, isBlank, duration, 10)).toEqual(next)
  })

  it('[PK3] CTC joins repeats, takes blanks out, and a blank between two of a kind keeps both', () => {
    const logits = rows([3, 3, 0, 1, 1, 3, 1, 2, 3])
    const found = ctcGreedy(logits, 9, 4, 3)
    expect(places([found])).toEqual(['0@2+1 1@3+2 1@6+1 2@7+1'])
    for (const { probability } of found) expect(probability).toBeCloseTo(1 / (1 + 3 * Math.exp(-4)), 5)
    expect(ctcGreedy(logits, 4, 4, 3)).toHaveLength(2)
  })
})

/** Rows of four logits, one of them higher by 4. */
function rows(best: readonly number[]): Float32Array {
  const values = new Float32Array(best.length * 4)
  for (const [row, token] of best.entries()) values[row * 4 + token] = 4
  return values
}
