import { EngineManifest } from '#protocol/engine.ts'

export const manifest = EngineManifest.parse({
  id: 'parakeet',
  name: 'Parakeet',
  version: '1.0.0',
  description:
    'FastConformer models with a TDT, RNN-T or CTC decoder on ONNX Runtime: Parakeet and its family.',
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
  // A model of 0.6 billion parameters in int8, and a batch.
  hardware: { gpu_required: false, memory_mib: 2500 },
})
