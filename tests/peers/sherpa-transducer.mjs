// Transcribes with sherpa-onnx. In: { id, call: 'transcribe', folder, features, samples } with samples at 16 kHz. Out:
// { id, result: { tokens, timestamps, durations } }. A model that it does not take ends this process.
import { join } from 'node:path'
import sherpa from 'sherpa-onnx-node'

const calls = {
  transcribe({ folder, features, samples }) {
    const recognizer = new sherpa.OfflineRecognizer({
      featConfig: { sampleRate: 16000, featureDim: features },
      modelConfig: {
        transducer: {
          encoder: join(folder, 'encoder.onnx'),
          decoder: join(folder, 'decoder.onnx'),
          joiner: join(folder, 'joiner.onnx'),
        },
        tokens: join(folder, 'tokens.txt'),
        modelType: 'nemo_transducer',
        numThreads: 1,
        provider: 'cpu',
        debug: 0,
      },
      decodingMethod: 'greedy_search',
    })
    const stream = recognizer.createStream()
    stream.acceptWaveform({ sampleRate: 16000, samples })
    recognizer.decode(stream)
    const { tokens, timestamps, durations } = recognizer.getResult(stream)
    return { tokens, timestamps, durations }
  },
}

process.on('message', ({ id, call, ...options }) => {
  try {
    process.send({ id, result: calls[call](options) })
  } catch (error) {
    process.send({ id, error: String(error) })
  }
})
process.send({ id: 0 })
