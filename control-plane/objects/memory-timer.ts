/** One timer that is set anew, or taken back, as often as one likes. While it is set the object does not hibernate. */
export function memoryTimer(ring: () => void): (afterMs: number | null) => void {
  let timer: ReturnType<typeof setTimeout> | null = null
  return (afterMs) => {
    if (timer !== null) clearTimeout(timer)
    timer = afterMs === null ? null : setTimeout(ring, afterMs)
  }
}
