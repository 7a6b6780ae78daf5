import { pad, printable, width } from './text.ts'

/** Columns as wide as their widest cell, two blanks between; no rows give the empty sentence. */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return `${empty}\n`
  const lines = [headings, ...rows.map((row) => row.map(printable))]
  const columns = headings.map((_, index) => Math.max(...lines.map((line) => width(line[index] ?? ''))))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, index) => pad(cell, columns[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** `2026-11-20 12:00` in local time. */
export function minute(timestamp: string): string {
  const date = new Date(timestamp)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
