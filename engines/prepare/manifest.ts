import { EngineManifest } from '#protocol/engine.ts'

/** The longest recording that is taken: ten hours. */
export const MAX_AUDIO_SECONDS = 36_000

/**
 * The most channels that are transcribed one by one. A summary counts up to 32, and a task has at most 100 artifacts:
 * detect_emotions reads what prepare wrote (3 files, and 2 a channel) and a transcript a channel, 99 of 32 channels.
 */
export const MAX_CHANNELS = 32

export const manifest = EngineManifest.parse({
  id: 'prepare',
  name: 'Prepare',
  version: '1.0.0',
  description:
    'Any recording to 16 kHz mono, and each channel by itself where that is asked, with speech regions, loudness and a waveform.',
  stages: ['prepare'],
  interfaces: ['batch'],
  capabilities: {
    languages: null,
    word_timestamps: false,
    diarization: false,
    split_channels: true,
    native_streaming: false,
    max_audio_seconds: MAX_AUDIO_SECONDS,
  },
  needs_model: false,
  hardware: { gpu_required: false, memory_mib: 200 },
})
