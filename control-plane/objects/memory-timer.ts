/** One timer that is set anew, or taken back, as often as one likes. While it is set the object does not hibernate. */
export function memoryTimer(ring: () => void): (afterMs: number | null) => void {
  let timer: ReturnType<typeof setTimeout> | null = null
  return (afterMs) => {
    clearTimeout(timer)
    if (afterMs !== null) timer = setTimeout(ring, afterMs)
  }
}
