import { EngineError } from '../engine.ts'

/** A network that says NaN or infinity has overflowed on this sound; what it found would be chance. */
export function notNumbers(file: string, output: string): EngineError {
  const message = `${file}: ${output}: expected numbers, came NaN or infinity: 16-bit exports may overflow. Take another precision of the model, or another device.`
  return new EngineError({ code: 'engine_bad_output', message, retryable: true })
}
