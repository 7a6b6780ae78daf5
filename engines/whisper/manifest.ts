import { EngineManifest } from '#protocol/engine.ts'

export const manifest = EngineManifest.parse({
  id: 'whisper',
  name: 'Whisper',
  version: '1.0.0',
  description:
    'Whisper models on ONNX Runtime: batched, many languages, into English as well, with word times.',
  stages: ['transcribe'],
  interfaces: ['batch'],
  capabilities: {
    // Whatever its models speak.
    languages: null,
    word_timestamps: true,
    diarization: false,
    translation: true,
    vocabulary: 'prompt',
    split_channels: false,
    native_streaming: false,
    max_audio_seconds: null,
  },
  needs_model: true,
  hardware: { gpu_required: false, memory_mib: 1000 },
})
