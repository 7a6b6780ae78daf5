import { setImmediate } from 'node:timers/promises'
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
import { channelsOf, type Frame, joined, placeChannels } from './node-av-frames.ts'

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
    refuseTooMany(source.channels, request)
    // FFmpeg mixes no channels whose places in a room it does not know: their mean is the mix, as for WAV.
    const arePlaced = source.channels <= MOST_PLACED_CHANNELS || stream.codecpar.channelLayout.mask !== 0n
    const isMixed = request.maxChannels === null && arePlaced
    const layout = isMixed ? ':channel_layouts=mono' : ''
    using filter = nodeAv.FilterAPI.create(`aformat=sample_fmts=s16:sample_rates=${SAMPLE_RATE_HZ}${layout}`)
    yield* decoded(input, stream.index, { decoder, filter, isMixed }, request)
  } finally {
    input.closeSync()
  }
}

type Input = ReturnType<NodeAv['Demuxer']['openSync']>
type Decoder = ReturnType<NodeAv['Decoder']['createSync']>
type Filter = ReturnType<NodeAv['FilterAPI']['create']>

interface Tools {
  readonly decoder: Decoder
  readonly filter: Filter
  /** The filter mixes the channels; else they come interleaved. */
  readonly isMixed: boolean
}

async function* decoded(
  input: Input,
  streamIndex: number,
  tools: Tools,
  request: DecodeRequest,
): AsyncGenerator<DecodedChunk> {
  const durationSeconds = input.duration
  const limit = request.limitSeconds * SAMPLE_RATE_HZ
  // The container's word on channels may be wrong (parametric stereo): the first frame tells.
  let channels: number | null = null
  let count = 0
  let problem: unknown = null
  let turn = 0
  // The last packet is null: it takes out what the decoder still holds.
  for (const packet of input.packetsSync(streamIndex)) {
    let frames: Frame[] = []
    try {
      frames = decodePacket(tools, packet)
    } catch (error) {
      // A broken packet; the sound goes on behind it, as in any player.
      problem = error
    } finally {
      packet?.free()
    }
    if (frames.length > 0) {
      channels ??= channelsOf(frames)
      refuseTooMany(channels, request)
      const samples = joined(frames, channels)
      count += samples.length / channels
      const fraction = durationSeconds > 0 ? Math.min(1, count / SAMPLE_RATE_HZ / durationSeconds) : null
      yield chunkOf(apart(samples, channels), request, fraction)
    }
    if (count > limit) return
    if (++turn % PACKETS_A_TURN === 0) await setImmediate()
    request.signal.throwIfAborted()
  }
  const rest = channels === null ? [] : [...tools.filter.flushFramesSync()]
  if (channels !== null && rest.length > 0) yield chunkOf(apart(joined(rest, channels), channels), request, 1)
  if (count === 0 && problem !== null) throw undecodable(problem)
}

function decodePacket(
  { decoder, filter, isMixed }: Tools,
  packet: Parameters<Decoder['decodeAllSync']>[0],
): Frame[] {
  const filtered: Frame[] = []
  for (const frame of decoder.decodeAllSync(packet)) {
    if (!isMixed) placeChannels(frame)
    filtered.push(...filter.processAllSync(frame))
    frame.free()
  }
  return filtered
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
