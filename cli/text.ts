/** Text from outside on a terminal: no control characters (they could move the cursor or worse), no more than fits. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; then the bidirectional overrides.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g
/** Characters that take two columns: CJK, Hangul, full-width forms, emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

export function printable(text: string): string {
  return text.replace(CONTROL, ' ')
}

/** The beginning that fits into so many columns; `…` says that there was more. */
export function cut(text: string, columns: number): string {
  const fitting = take([...text], columns)
  if (fitting.length === [...text].length) return text
  return `${take([...text], columns - 1).join('')}…`
}

/** The end that fits: of text that grows, the newest is what matters. */
export function cutStart(text: string, columns: number): string {
  const reversed = [...text].reverse()
  if (take(reversed, columns).length === reversed.length) return text
  return `…${take(reversed, columns - 1)
    .reverse()
    .join('')}`
}

export function width(text: string): number {
  return [...text].reduce((sum, character) => sum + (WIDE.test(character) ? 2 : 1), 0)
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

function take(characters: readonly string[], columns: number): string[] {
  let used = 0
  const taken: string[] = []
  for (const character of characters) {
    used += WIDE.test(character) ? 2 : 1
    if (used > columns) break
    taken.push(character)
  }
  return taken
}

/** `0.4 s`, `12 s`, `1:02`, `2:03:04` */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** `12 B`, `3.4 kB`, `1.2 GB`: powers of ten, as disks are sold and hubs count. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [count, 0]
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
