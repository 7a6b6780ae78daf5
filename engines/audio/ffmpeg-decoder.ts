import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { audioError } from './audio-error.ts'
import { apart, chunkOf, MOST_PLACED_CHANNELS, refuseTooMany } from './channels.ts'
import {
  type DecodedChunk,
  type DecodeRequest,
  type Decoding,
  FORMAT_WHITELIST,
  PROTOCOL_WHITELIST,
} from './decoding.ts'
import { FfmpegOutput, type OutputFormat } from './ffmpeg-output.ts'
import { FfmpegReport } from './ffmpeg-report.ts'

/** ffmpeg's own allocations of one block: broken headers ask for gigabytes. */
const MAX_BLOCK_BYTES = 268_435_456

/** The ffmpeg program on a PATH, or null. */
export function findFfmpeg(searchPath: string | undefined): string | null {
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg'
  const found = (searchPath ?? '')
    .split(delimiter)
    .find((folder) => folder !== '' && isProgram(join(folder, name)))
  return found === undefined ? null : join(found, name)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Not there, or not allowed to run: both mean no.
    return false
  }
}

/** Decodes in a child process, so that media from strangers stay outside this one. */
export function decodeWithFfmpeg(program: string, request: DecodeRequest): Decoding {
  const report = new FfmpegReport()
  return {
    decoder: 'ffmpeg',
    chunks: chunks(program, request, report, request.maxChannels === null ? 's16le' : 'wav'),
    source: () => report.source(),
    statedSeconds: () => report.statedSeconds,
  }
}

/** `file:` keeps ffmpeg from reading a protocol out of the name. Only the first audio stream is decoded. */
export function ffmpegArguments({ path, limitSeconds }: DecodeRequest, format: OutputFormat): string[] {
  const mix = format === 's16le' ? ['-ac', '1'] : []
  return [
    ...['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'level+info'],
    ...['-max_alloc', String(MAX_BLOCK_BYTES)],
    ...['-protocol_whitelist', PROTOCOL_WHITELIST, '-format_whitelist', FORMAT_WHITELIST],
    ...['-i', `file:${path}`, '-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(limitSeconds)],
    ...['-ar', String(SAMPLE_RATE_HZ), '-c:a', 'pcm_s16le', ...mix, '-f', format, 'pipe:1'],
  ]
}

async function* chunks(
  program: string,
  request: DecodeRequest,
  report: FfmpegReport,
  format: OutputFormat,
): AsyncGenerator<DecodedChunk> {
  request.signal.throwIfAborted()
  const child = spawn(program, ffmpegArguments(request, format), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  // A child that never started rejects here as well as below, where it is reported.
  closed.catch(() => undefined)
  const kill = () => child.kill('SIGKILL')
  request.signal.addEventListener('abort', kill, { once: true })
  try {
    const output = new FfmpegOutput(format)
    let count = 0
    for await (const frames of framesOf(child, output, report)) {
      request.signal.throwIfAborted()
      refuseTooMany(output.channels, request)
      count += frames.length / output.channels
      const seconds = count / SAMPLE_RATE_HZ
      const fraction = report.durationSeconds ? Math.min(1, seconds / report.durationSeconds) : null
      yield chunkOf(apart(frames, output.channels), request, fraction)
    }
    const [code] = await closed
    request.signal.throwIfAborted()
    // What decodes is used: a cut file ends with an error after all the sound that it holds.
    if (code === 0 || count > 0) return
    const { channels } = report.source()
    // ffmpeg itself cannot resample more than 64.
    refuseTooMany(channels, request)
    if (format === 'wav' || channels <= MOST_PLACED_CHANNELS) throw ffmpegError(report)
    // It mixes no channels whose places in a room it does not know: their mean is the mix, as for WAV.
    yield* chunks(program, request, report, 'wav')
  } finally {
    request.signal.removeEventListener('abort', kill)
    kill()
    await closed.catch(() => undefined)
  }
}

async function* framesOf(
  child: ChildProcessByStdio<null, Readable, Readable>,
  output: FfmpegOutput,
  report: FfmpegReport,
): AsyncGenerator<Int16Array> {
  child.stderr.setEncoding('utf8').on('data', (text: string) => report.push(text))
  for await (const bytes of child.stdout) {
    const frames = await output.push(bytes)
    if (frames.length > 0) yield frames
  }
}

function ffmpegError(report: FfmpegReport): Error {
  const problem = report.problem() || 'no reason given'
  if (/matches no streams|does not contain any stream/.test(problem))
    return audioError('not_audio', 'The file holds no audio stream. Send a recording with sound.')
  return audioError(
    'invalid_audio',
    `No audio could be decoded from the file. ffmpeg says: ${problem.replaceAll(/file:\/\S+: /g, '')}`,
  )
}
