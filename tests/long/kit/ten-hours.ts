import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TranscribeSummary } from '#protocol/summary.ts'
import { Segment } from '#protocol/transcript.ts'

const RATE = 16_000
const MINUTE = 60

/** What is said in a minute, and when. */
export interface Spoken {
  readonly text: string
  /** From the start of the recording. */
  readonly start: number
  readonly end: number
}

/** A language of tones. */
export interface Speech {
  readonly sound: (text: string) => Float32Array
  /** A minute of what is heard where nobody speaks. */
  readonly silence: Float32Array
  /** What is said in the n-th minute, at which second of it. */
  readonly script: (minute: number) => readonly { readonly text: string; readonly at: number }[]
}

export interface LongTask {
  readonly engine: string
  readonly modelFolder: string
  readonly audio: string
  readonly regions: string
  readonly outputFolder: string
  readonly seconds: number
  readonly granularity: 'word' | 'segment'
}

export interface Measured {
  readonly percent: number
  readonly runs: number
  readonly values: number
  readonly rssBytes: number
}

export interface LongRun {
  readonly summary: TranscribeSummary
  readonly measured: readonly Measured[]
}

/** Three letters that no other minute has. */
export function minuteName(minute: number): string {
  const letters = 'acdehilmno'
  return [100, 10, 1].map((step) => letters[Math.floor(minute / step) % 10]).join('')
}

/** Writes a recording minute by minute, and the regions of what is said. Gives what was said, in order. */
export function writeRecording(
  { sound, silence, script }: Speech,
  audio: string,
  regions: string,
  seconds: number,
): Spoken[] {
  const all: Spoken[] = []
  const known = new Map<string, Int16Array>()
  const samplesOf = (text: string) => {
    const samples = known.get(text) ?? toS16(sound(text))
    // What every minute says is made once.
    if (text.length > 20) known.set(text, samples)
    return samples
  }
  const hiss = toS16(silence)
  const file = openSync(audio, 'w')
  const lines = openSync(regions, 'w')
  for (let minute = 0; minute * MINUTE < seconds; minute++) {
    const samples = Int16Array.from(hiss)
    for (const { text, at } of script(minute)) {
      const spoken = samplesOf(text)
      samples.set(spoken, Math.round(at * RATE))
      const start = minute * MINUTE + at
      const end = start + spoken.length / RATE
      all.push({ text, start, end })
      writeSync(lines, `${JSON.stringify({ start, end })}\n`)
    }
    writeSync(file, new Uint8Array(samples.buffer))
  }
  closeSync(file)
  closeSync(lines)
  return all
}

/** Transcribes in a process of its own, whose JavaScript heap is small: what is kept of ten hours does not fit. */
export async function transcribeLong(task: LongTask): Promise<LongRun> {
  mkdirSync(task.outputFolder, { recursive: true })
  const path = fileURLToPath(import.meta.resolve('#tests/long/kit/ten-hours-child.ts'))
  const child = fork(path, [JSON.stringify(task)], {
    execArgv: [`--max-old-space-size=${MOST_HEAP_MIB}`],
    // As the agent starts its children.
    env: { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' },
    serialization: 'advanced',
  })
  const ended = once(child, 'exit')
  const said = await Promise.race([once(child, 'message'), ended.then(() => null)])
  await ended
  if (said === null) throw new Error(`The process ended with ${child.exitCode ?? child.signalCode}`)
  // Our own child's one message.
  return said[0] as LongRun
}

const MOST_HEAP_MIB = 96

/** The transcript that a run wrote. */
export async function* segmentsOf(path: string): AsyncGenerator<Segment> {
  for await (const line of createInterface({ input: createReadStream(path) }))
    yield Segment.parse(JSON.parse(line))
}

/** How much more memory the last nine hours took than the first. */
export function grownBytes(measured: readonly Measured[]): number {
  const most = (some: readonly Measured[]) => some.reduce((all, { rssBytes }) => Math.max(all, rssBytes), 0)
  return (
    most(measured.filter(({ percent }) => percent > 10)) -
    most(measured.filter(({ percent }) => percent <= 10))
  )
}

/** How far the work at any moment is from its share of the whole, from 0 to 1: a quarter where each hour costs more. */
export function unevenness(measured: readonly Measured[], what: 'runs' | 'values'): number {
  const first = measured[0]?.[what] ?? 0
  const total = (measured.at(-1)?.[what] ?? 0) - first
  return measured.reduce(
    (worst, one) => Math.max(worst, Math.abs((one[what] - first) / total - one.percent / 100)),
    0,
  )
}

function toS16(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (sample) => sample * 32_767)
}
