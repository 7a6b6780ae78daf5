import { EngineManifest } from '#protocol/engine.ts'

export const manifest = EngineManifest.parse({
  id: 'ctc',
  name: 'CTC',
  version: '1.1.0',
  description:
    'CTC acoustic models on ONNX Runtime (wav2vec2, HuBERT, MMS and its own), greedy or with a lexicon, an n-gram language model and hot words.',
  stages: ['transcribe'],
  interfaces: ['batch'],
  capabilities: {
    // Whatever its models speak.
    languages: null,
    word_timestamps: true,
    diarization: false,
    vocabulary: 'boost',
    split_channels: false,
    native_streaming: false,
    max_audio_seconds: null,
  },
  needs_model: true,
  hardware: { gpu_required: false, memory_mib: 400 },
})
