import { EngineManifest } from '#protocol/engine.ts'

export const manifest = EngineManifest.parse({
  id: 'ctc',
  name: 'CTC',
  version: '1.0.0',
  description: 'CTC acoustic models on ONNX Runtime, greedy or with a lexicon and an n-gram language model.',
  stages: ['transcribe'],
  interfaces: ['batch'],
  capabilities: {
    // Whatever its models speak.
    languages: null,
    word_timestamps: true,
    diarization: false,
    split_channels: false,
    native_streaming: false,
    max_audio_seconds: null,
  },
  needs_model: true,
  hardware: { gpu_required: false, memory_mib: 400 },
})
