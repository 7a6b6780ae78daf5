/** The logarithm of zero. */
export const NOTHING = Number.NEGATIVE_INFINITY

/** A difference of this many nats is lost in a double: e^−37 < 2^−53. */
const LOST = -37

/** log(eᵃ + eᵇ). */
export function logAdd(a: number, b: number): number {
  const larger = a > b ? a : b
  const difference = a > b ? b - a : a - b
  // Also where both are nothing: the difference is then no number, and no comparison with it holds.
  return difference > LOST ? larger + Math.log1p(Math.exp(difference)) : larger
}
