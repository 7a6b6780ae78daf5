import { EngineError } from '../engine.ts'

/** Why a file gives no audio. All but `decoder_missing` say something about the file; none is helped by another try. */
export type AudioErrorCode =
  | 'empty_file'
  | 'not_audio'
  | 'playlist_refused'
  | 'zero_length_audio'
  | 'invalid_audio'
  | 'too_long'
  | 'too_many_channels'
  | 'decoder_missing'

export function audioError(code: AudioErrorCode, message: string, cause?: unknown): EngineError {
  return new EngineError(
    { code, message: message.slice(0, 2000), retryable: false },
    cause === undefined ? {} : { cause },
  )
}
