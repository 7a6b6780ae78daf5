/**
 * Mel filters as `librosa.filters.mel(htk=False, norm='slaney')` makes them (librosa/filters.py, librosa/core/convert.py),
 * which both Whisper's and NeMo's were made with: triangles on Slaney's scale, each of area one. [mel][bin].
 */
export function melFilters(mels: number, fftSize: number, sampleRate: number): Float64Array[] {
  const top = melOf(sampleRate / 2)
  const edges = Array.from({ length: mels + 2 }, (_, index) => hertzOf((top * index) / (mels + 1)))
  return Array.from({ length: mels }, (_, mel) => {
    const [low = 0, middle = 0, high = 0] = edges.slice(mel, mel + 3)
    return Float64Array.from({ length: fftSize / 2 + 1 }, (_, bin) => {
      const hertz = (bin * sampleRate) / fftSize
      const slope = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle))
      return (Math.max(0, slope) * 2) / (high - low)
    })
  })
}

/** Linear to 1 kHz, from there on logarithmic: 27 steps to 6.4 kHz. */
const LINEAR_HERTZ_A_MEL = 200 / 3
const LOG_FROM_HERTZ = 1000
const LOG_FROM_MEL = LOG_FROM_HERTZ / LINEAR_HERTZ_A_MEL
const LOG_STEP = Math.log(6.4) / 27

function melOf(hertz: number): number {
  if (hertz < LOG_FROM_HERTZ) return hertz / LINEAR_HERTZ_A_MEL
  return LOG_FROM_MEL + Math.log(hertz / LOG_FROM_HERTZ) / LOG_STEP
}

function hertzOf(mel: number): number {
  if (mel < LOG_FROM_MEL) return mel * LINEAR_HERTZ_A_MEL
  return LOG_FROM_HERTZ * Math.exp(LOG_STEP * (mel - LOG_FROM_MEL))
}
