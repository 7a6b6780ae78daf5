import { setImmediate } from 'node:timers/promises'
import { SAMPLE_RATE_HZ } from '#protocol/audio.ts'
import { audioError } from './audio-error.ts'
import {
  type DecodedChunk,
  type DecodeRequest,
  type Decoding,
  FORMAT_WHITELIST,
  PROTOCOL_WHITELIST,
} from './decoding.ts'

/** After this many packets the event loop gets a turn: cancel is heard, and memory of freed frames is given back. */
const PACKETS_A_TURN = 30

type NodeAv = typeof import('node-av/api')

/** The optional package, or null where it is not installed or has no binary for this machine. */
export async function loadNodeAv(): Promise<NodeAv | null> {
  try {
    const { AV_LOG_QUIET, Log } = await import('node-av')
    // FFmpeg writes what it thinks of a file to stderr; what matters comes as an error here.
    Log.setLevel(AV_LOG_QUIET)
    return await import('node-av/api')
  } catch {
    // Not installed, or no binary for this platform: the caller then says what to install.
    return null
  }
}

/**
 * Decodes in this process with the FFmpeg inside node-av. Its synchronous calls are three times as fast as the others;
 * every packet and frame is freed by hand, since the collector does not see their size.
 */
export function decodeWithNodeAv(nodeAv: NodeAv, request: DecodeRequest): Decoding {
  const source = { container: 'unknown', codec: 'unknown', channels: 1, sample_rate_hz: SAMPLE_RATE_HZ }
  return {
    decoder: 'node_av',
    chunks: chunks(nodeAv, request, source),
    source: () => source,
    statedSeconds: () => null,
  }
}

async function* chunks(
  nodeAv: NodeAv,
  request: DecodeRequest,
  source: { container: string; codec: string; channels: number; sample_rate_hz: number },
): AsyncGenerator<DecodedChunk> {
  const input = openInput(nodeAv, request.path)
  try {
    const stream = input.audio()
    if (stream === undefined)
      throw audioError('not_audio', 'The file holds no audio stream. Send a recording with sound.')
    using decoder = attempt(() => nodeAv.Decoder.createSync(stream))
    source.container = input.formatName
    source.codec = decoder.getCodec()?.name ?? 'unknown'
    source.channels = Math.max(1, stream.codecpar.channels)
    source.sample_rate_hz = Math.max(1, stream.codecpar.sampleRate)
    using filter = nodeAv.FilterAPI.create(
      `aformat=sample_fmts=s16:sample_rates=${SAMPLE_RATE_HZ}:channel_layouts=mono`,
    )
    yield* decoded(input, stream.index, decoder, filter, request)
  } finally {
    input.closeSync()
  }
}

type Input = ReturnType<NodeAv['Demuxer']['openSync']>
type Decoder = ReturnType<NodeAv['Decoder']['createSync']>
type Filter = ReturnType<NodeAv['FilterAPI']['create']>

async function* decoded(
  input: Input,
  streamIndex: number,
  decoder: Decoder,
  filter: Filter,
  request: DecodeRequest,
): AsyncGenerator<DecodedChunk> {
  const durationSeconds = input.duration
  const limit = request.limitSeconds * SAMPLE_RATE_HZ
  let count = 0
  let problem: unknown = null
  let turn = 0
  // The last packet is null: it takes out what the decoder still holds.
  for (const packet of input.packetsSync(streamIndex)) {
    let samples = new Int16Array(0)
    try {
      samples = decodePacket(decoder, filter, packet)
    } catch (error) {
      // A broken packet; the sound goes on behind it, as in any player.
      problem = error
    } finally {
      packet?.free()
    }
    if (samples.length > 0) {
      count += samples.length
      yield {
        samples,
        fraction: durationSeconds > 0 ? Math.min(1, count / SAMPLE_RATE_HZ / durationSeconds) : null,
      }
    }
    if (count > limit) return
    if (++turn % PACKETS_A_TURN === 0) await setImmediate()
    request.signal.throwIfAborted()
  }
  const rest = count === 0 ? new Int16Array(0) : joined([...filter.flushFramesSync()])
  if (rest.length > 0) yield { samples: rest, fraction: 1 }
  if (count === 0 && problem !== null) throw undecodable(problem)
}

function decodePacket(
  decoder: Decoder,
  filter: Filter,
  packet: Parameters<Decoder['decodeAllSync']>[0],
): Int16Array<ArrayBuffer> {
  const filtered = []
  for (const frame of decoder.decodeAllSync(packet)) {
    filtered.push(...filter.processAllSync(frame))
    frame.free()
  }
  return joined(filtered)
}

/** The samples of s16 mono frames, which are freed. */
function joined(frames: ReturnType<Filter['processAllSync']>): Int16Array<ArrayBuffer> {
  const result = new Int16Array(frames.reduce((sum, frame) => sum + frame.nbSamples, 0))
  let at = 0
  for (const frame of frames) {
    const data = frame.data?.[0]
    if (data !== undefined) {
      // A frame's buffer may be longer than its samples, and need not lie at an even address.
      new Uint8Array(result.buffer, at * 2, frame.nbSamples * 2).set(data.subarray(0, frame.nbSamples * 2))
      at += frame.nbSamples
    }
    frame.free()
  }
  return result
}

/** The path is absolute, so no protocol can be read out of it (and this package takes `file:` for part of the name). */
function openInput(nodeAv: NodeAv, path: string): Input {
  return attempt(() =>
    nodeAv.Demuxer.openSync(path, {
      options: { protocol_whitelist: PROTOCOL_WHITELIST, format_whitelist: FORMAT_WHITELIST },
    }),
  )
}

function attempt<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw undecodable(error)
  }
}

function undecodable(error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error)
  return audioError('invalid_audio', `No audio could be decoded from the file: ${reason}`, error)
}
