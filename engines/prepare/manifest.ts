import { EngineManifest } from '#protocol/engine.ts'

/** The longest recording that is taken: ten hours. */
export const MAX_AUDIO_SECONDS = 36_000

export const manifest = EngineManifest.parse({
  id: 'prepare',
  name: 'Prepare',
  version: '1.0.0',
  description: 'Any recording to 16 kHz mono, with speech regions, loudness and a waveform.',
  stages: ['prepare'],
  interfaces: ['batch'],
  capabilities: {
    languages: null,
    word_timestamps: false,
    diarization: false,
    split_channels: false,
    native_streaming: false,
    max_audio_seconds: MAX_AUDIO_SECONDS,
  },
  needs_model: false,
  hardware: { gpu_required: false, memory_mib: 200 },
})
