import type { PrepareSummary } from '#protocol/summary.ts'

export type DecoderName = PrepareSummary['decoder']
export type AudioSource = PrepareSummary['source']

/** Samples at 16 kHz in order. */
export interface DecodedChunk {
  /** The mix of all channels. */
  readonly samples: Int16Array
  /** Each channel by itself, as long as the mix, where the request asks for it; else none. Always as many. */
  readonly channels: readonly Int16Array[]
  /** The part of the input that is read, from 0 to 1; null: not known. */
  readonly fraction: number | null
}

/** One file being decoded. `chunks` is iterated once; leaving it early ends the decoder. */
export interface Decoding {
  readonly decoder: DecoderName
  readonly chunks: AsyncIterable<DecodedChunk>
  /** Known when the first chunk has come. */
  source(): AudioSource
  /** The length that the file states of itself; null where it states none, or a guess. Known when the first chunk has come. */
  statedSeconds(): number | null
}

export interface DecodeRequest {
  /** Absolute. */
  readonly path: string
  /** The caller's name for the file: a hint, never a path. */
  readonly fileName: string | null
  /** A decoder stops soon after this much audio; the reader of the chunks decides what that means. */
  readonly limitSeconds: number
  /** Give each channel by itself too; a file of more than these is refused. Null: the mix alone. */
  readonly maxChannels: number | null
  readonly signal: AbortSignal
}

/**
 * What ffmpeg's libraries may open: containers of sound and film. Playlists, scripts and image sequences, which name
 * other files, are not among them, whatever a file pretends to be (an ID3 tag before `#EXTM3U`, say).
 */
export const FORMAT_WHITELIST = [
  'aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,iff,loas,matroska,webm',
  'mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,nut,ogg,rm,tak,truehd,tta,voc,w64,wav,wsd,wtv,wv',
].join(',')

export const PROTOCOL_WHITELIST = 'file,pipe'
