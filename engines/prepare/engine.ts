import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { roundSeconds, SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import type { PrepareSummary } from '#protocol/summary.ts'
import { audioError } from '../audio/audio-error.ts'
import { type Decoders, decodeAudio } from '../audio/decode.ts'
import type { Decoding } from '../audio/decoding.ts'
import { bytesOf } from '../audio/s16.ts'
import { defineEngine, type EngineTask, type RunContext } from '../engine.ts'
import { Analysis } from './analysis.ts'
import { ChannelFiles, writeRegions } from './channel-files.ts'
import { MAX_AUDIO_SECONDS, MAX_CHANNELS, manifest } from './manifest.ts'

/** Encoders pad the end by some frames: ten hours of sound may decode to a little more. */
const SLACK_SECONDS = 30
/** Stated lengths are rounded, and count padding: less than this, or this part, is no cut. */
const MISSING_SECONDS = 1
const MISSING_PART = 0.02

/** Turns an upload into 16 kHz audio, mixed and by channel, speech regions and waveform peaks, in constant memory. */
export default defineEngine<'prepare', Decoders>({
  manifest,
  load: async () => ({ allowed: ['built_in', 'ffmpeg', 'node_av'], searchPath: process.env.PATH }),
  run: prepare,
  dispose: async () => {},
})

async function prepare(
  task: EngineTask<'prepare'>,
  decoders: Decoders,
  context: RunContext,
): Promise<PrepareSummary> {
  context.report({ percent: 0, message: null })
  const decoding = await decodeAudio(
    {
      path: task.inputs.upload,
      fileName: task.parameters.file_name,
      limitSeconds: MAX_AUDIO_SECONDS + 2 * SLACK_SECONDS,
      maxChannels: task.parameters.split_channels ? MAX_CHANNELS : null,
      signal: context.signal,
    },
    decoders,
  )
  const analysis = new Analysis()
  const channelCount = await writeOutputs(task.outputFolder, decoding, analysis, context)
  if (analysis.samples === 0)
    throw audioError('zero_length_audio', 'The recording has no samples: its length is zero.')
  context.report({ percent: 100, message: null })
  const { loudnessDbfs, peakDbfs } = analysis.loudness()
  const seconds = analysis.samples / SAMPLE_RATE_HZ
  return {
    stage: 'prepare',
    duration_seconds: roundSeconds(seconds),
    source: decoding.source(),
    loudness_dbfs: loudnessDbfs,
    peak_dbfs: peakDbfs,
    speech_seconds: roundSeconds(analysis.speechSeconds),
    channel_count: Math.max(1, channelCount),
    decoder: decoding.decoder,
    warnings: truncation(decoding.statedSeconds(), seconds),
  }
}

/** A file that states more than it holds was cut: what is there is used, and its reader is told. */
export function truncation(statedSeconds: number | null, seconds: number): PrepareSummary['warnings'] {
  if (statedSeconds === null) return []
  const missing = statedSeconds - seconds
  if (missing <= Math.max(MISSING_SECONDS, statedSeconds * MISSING_PART)) return []
  const message = `The file states ${statedSeconds.toFixed(1)} s of audio; ${seconds.toFixed(1)} s could be read.`
  return [{ stage: 'prepare', code: 'truncated', message }]
}

/** How many channels were written by themselves. */
async function writeOutputs(
  folder: string,
  decoding: Decoding,
  analysis: Analysis,
  context: RunContext,
): Promise<number> {
  await using files = new AsyncDisposableStack()
  const openOutput = async (name: string): Promise<FileHandle> => {
    const file = await open(join(folder, name), 'w')
    files.defer(() => file.close())
    return file
  }
  const audio = await openOutput('audio.s16')
  const speech = await openOutput('speech.jsonl')
  const peaks = await openOutput('peaks.u8')
  const channelFiles = new ChannelFiles(openOutput)
  for await (const { samples, channels, fraction } of decoding.chunks) {
    const found = analysis.push(samples)
    if (analysis.samples > (MAX_AUDIO_SECONDS + SLACK_SECONDS) * SAMPLE_RATE_HZ)
      throw audioError(
        'too_long',
        `The recording is longer than ${MAX_AUDIO_SECONDS / 3600} hours, the most that is taken. Split it.`,
      )
    await audio.writeFile(bytesOf(samples))
    await writeFound(speech, peaks, found)
    await channelFiles.push(channels)
    const minutes = Math.floor(analysis.samples / SAMPLE_RATE_HZ / 60)
    context.report({
      percent: fraction === null ? null : Math.round(fraction * 1000) / 10,
      message: minutes > 0 ? `${minutes} min decoded` : null,
    })
  }
  await writeFound(speech, peaks, analysis.flush())
  await channelFiles.flush()
  return channelFiles.count
}

async function writeFound(
  speech: FileHandle,
  peaks: FileHandle,
  found: ReturnType<Analysis['push']>,
): Promise<void> {
  await writeRegions(speech, found.regions)
  if (found.peaks.length > 0) await peaks.writeFile(found.peaks)
}
