/** Numbers as people read them. Pure: the present time comes as an argument. */

/** 0.24 s, 3.4 s, 42 s, 3 min 05 s, 4 min, 2 h 10 min, 3 h. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  if (seconds < 1) return `${seconds.toFixed(2)} s`
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return joined(Math.floor(whole / 60), 'min', whole % 60, 's')
  return joined(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min')
}

/** A place in a recording: 0:07.2, 12:40.0, 1:02:03.5. */
export function clock(seconds: number): string {
  const tenths = Math.round(Math.max(0, seconds) * 10)
  const whole = Math.floor(tenths / 10)
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  const head = hours > 0 ? `${hours}:${padded(minutes)}` : `${minutes}`
  return `${head}:${padded(whole % 60)}.${tenths % 10}`
}

/** just now, 5 min ago, 3 h ago, 2 d ago. */
export function ago(iso: string, nowMs: number): string {
  const minutes = Math.floor((nowMs - Date.parse(iso)) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`
  return `${Math.floor(minutes / (24 * 60))} d ago`
}

/** 2026-11-20 16:49 UTC: exact, and the same on every machine. */
export function timestamp(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? noun : plural}`
}

export function percent(value: number): string {
  return `${Math.round(value)} %`
}

function joined(great: number, greatUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${great} ${greatUnit}` : `${great} ${greatUnit} ${padded(small)} ${smallUnit}`
}

function padded(number: number): string {
  return String(number).padStart(2, '0')
}
