import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '#agent/child-process.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { baseWhisper } from '#tests/kit/whisper-models.ts'
import { Peer } from '#tests/parity/peer.ts'
import { type Bench, median, type Report } from './bench.ts'
import { FRAMES, MULTIPLIED_FLOP, type Pass, sound, WIDE, WIDTH } from './kit/whisper-passes.ts'
import { loading } from './whisper-load.ts'

/**
 * The whisper engine with a random network of Whisper-base's sizes, on 30 s of sound and one thread: against transformers.js,
 * turn by turn; a batch against single chunks; the encoder against what matrix products reach. Each is a process of its own,
 * ours as the agent starts it, all on one core. Targets are held against the processor's time, which on a machine that others
 * use as well says more than the clock's; that is printed as well.
 */
const ROUNDS = 5
const TOKENS = 180
const BATCH = 8
const BATCH_TOKENS = 48

type Variant = Parameters<typeof baseWhisper>[0]

export const bench: Bench = {
  name: 'whisper',
  async run(report) {
    using _core = new OneCore()
    {
      await using peer = await Peer.start('transformers-whisper.mjs')
      await sideBySide(report, peer)
    }
    await batched(report, 'float', { name: 'fp32', least: 1.3 })
    await batched(report, 'int8-decoder', { name: 'int8', least: 2 })
    await encoderShare(report)
    for (const variant of ['float', 'int8'] as const) await loading(report, variant)
  },
}

async function sideBySide(report: Report, peer: Peer): Promise<void> {
  using folder = new TempFolder()
  const audio = folder.join('audio.f32')
  writeFileSync(audio, sound())
  const theirs = async (variant: Variant, dtype: string | object) => {
    await peer.call('load', { folder: await baseWhisper(variant), dtype, threads: 1 })
    return async (): Promise<Times> => {
      const start = performance.now()
      const { ms } = await peer.call<{ ms: number }>('time', { audio, tokens: TOKENS })
      return { processorMs: ms, wallMs: performance.now() - start }
    }
  }
  await using floats = await Ours.start('float')
  await using mixed = await Ours.start('int8-decoder')
  await using bytes = await Ours.start('int8')
  const whole = (ours: Ours) => () => ours.time({ name: 'whole', tokens: TOKENS })
  const peerFloat = await theirs('float', 'fp32')
  const [float, int8, theirFloat] = await turns([whole(floats), whole(bytes), peerFloat])
  const peerMixed = await theirs('int8-decoder', { encoder_model: 'fp32', decoder_model_merged: 'q8' })
  const [mix, theirMix] = await turns([whole(mixed), peerMixed])
  total(report, 'ours, fp32', float)
  total(report, 'ours, int8 decoder', mix)
  total(report, 'ours, int8', int8)
  total(report, 'transformers.js, fp32', theirFloat)
  total(report, 'transformers.js, int8 decoder', theirMix)
  ratio(report, `fp32, ${TOKENS} tokens: transformers.js to ours`, [theirFloat, float], 1.4)
  ratio(report, `int8 decoder, ${TOKENS} tokens: transformers.js to ours`, [theirMix, mix], 1.4)
  ratio(report, `${TOKENS} tokens: transformers.js fp32 to our int8`, [theirFloat, int8], 3.5)
}

/** Eight chunks at once against one after another, in the decoder. */
async function batched(report: Report, variant: Variant, target: { name: string; least: number }) {
  await using ours = await Ours.start(variant)
  const [together, apart] = await turns([
    () => ours.time({ name: 'decode', rows: BATCH, tokens: BATCH_TOKENS }),
    () => ours.time({ name: 'decode', times: BATCH, tokens: BATCH_TOKENS }),
  ])
  const name = `${target.name}, ${BATCH} chunks in the decoder: single to batched`
  ratio(report, name, [apart, together], target.least)
}

const [LAYERS, MELS] = [6, 80]
/** Multiplications and additions of the base encoder: convolutions, projections, feed-forward, attention. */
const ENCODER_FLOP =
  2 * (2 * FRAMES * WIDTH * MELS * 3 + FRAMES * WIDTH * WIDTH * 3) +
  LAYERS * 2 * (4 * FRAMES * WIDTH * WIDTH + 2 * FRAMES * WIDTH * WIDE + 2 * FRAMES * FRAMES * WIDTH)

async function encoderShare(report: Report): Promise<void> {
  await using ours = await Ours.start('float')
  const [encoded, features, multiplied] = await turns([
    () => ours.time({ name: 'encode' }),
    () => ours.time({ name: 'features' }),
    () => ours.time({ name: 'multiply' }),
  ])
  const limit = MULTIPLIED_FLOP / multiplied.processorMs / 1e6
  const reached = ENCODER_FLOP / (encoded.processorMs - features.processorMs) / 1e6
  const share = Math.round((reached / limit) * 100)
  const line = { bench: 'whisper', target: null, ok: null }
  report({ ...line, case: 'matrix products', figure: 'limit', value: Math.round(limit), unit: 'GFLOP/s' })
  report({ ...line, case: 'features of 30 s', figure: 'time', value: features.processorMs, unit: 'ms' })
  const held = { figure: 'of the limit', value: share, unit: '%', target: '>= 65', ok: share >= 65 }
  report({ bench: 'whisper', case: 'encoder', ...held })
}

interface Times {
  readonly processorMs: number
  readonly wallMs: number
}

/** A model of ours in a process as the agent starts it. */
class Ours implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(variant: Variant): Promise<Ours> {
    const module = fileURLToPath(new URL('./kit/whisper-passes.ts', import.meta.url))
    const env = childEnvironment(process.env, [])
    const ours = new Ours(fork(module, [await baseWhisper(variant)], { env, execArgv: [] }))
    await ours.#answer()
    return ours
  }

  async time(pass: Pass): Promise<Times> {
    const answer = this.#answer()
    this.#child.send(pass)
    // The assertion holds: the module answers each pass with its times.
    return (await answer) as Times
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the passes ended with ${code}`))
      this.#child.once('exit', ended)
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended)
        resolve(message)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await ended
  }
}

/** This process, and those that it starts, stay on the last core; where the system has no way to say so, on any. */
class OneCore implements Disposable {
  constructor() {
    this.#stayOn(`${cpus().length - 1}`)
  }

  [Symbol.dispose](): void {
    this.#stayOn(`0-${cpus().length - 1}`)
  }

  #stayOn(cores: string): void {
    try {
      execFileSync('taskset', ['-a', '-p', '-c', cores, `${process.pid}`], { stdio: 'ignore' })
    } catch {
      // No taskset: then nothing is pinned, on either side.
    }
  }
}

/** The median of each, taken turn by turn after one that does not count. */
async function turns<const Actions extends readonly (() => Promise<Times>)[]>(
  actions: Actions,
): Promise<{ [Index in keyof Actions]: Times }> {
  const taken = actions.map((): Times[] => [])
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, action] of actions.entries()) {
      const times = await action()
      if (round > 0) taken[index]?.push(times)
    }
  const middles = taken.map((times) => ({
    processorMs: median(times.map(({ processorMs }) => processorMs)),
    wallMs: median(times.map(({ wallMs }) => wallMs)),
  }))
  // The assertion holds: times for each of the actions.
  return middles as { [Index in keyof Actions]: Times }
}

function total(report: Report, name: string, { processorMs, wallMs }: Times): void {
  const line = { bench: 'whisper', case: name, unit: 'ms', target: null, ok: null }
  report({ ...line, figure: 'one pass, processor', value: Math.round(processorMs) })
  report({ ...line, figure: 'one pass, clock', value: Math.round(wallMs) })
}

function ratio(report: Report, name: string, [slow, fast]: readonly [Times, Times], least: number): void {
  const rounded = (value: number) => Math.round(value * 100) / 100
  const value = rounded(slow.processorMs / fast.processorMs)
  const line = { bench: 'whisper', case: name, unit: 'x' }
  report({ ...line, figure: 'processor', value, target: `>= ${least}`, ok: value >= least })
  report({ ...line, figure: 'clock', value: rounded(slow.wallMs / fast.wallMs), target: null, ok: null })
}
