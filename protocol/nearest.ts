/** The candidate that takes the fewest typed characters to get to: for a name that was mistyped. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  return [...candidates].sort((a, b) => distance(name, a) - distance(name, b))[0]
}

/** The nearest one, where it is near enough that it may have been meant: part of it, or alike in more than half. */
export function similar(name: string, candidates: readonly string[]): string | undefined {
  const part = candidates.find((candidate) => name.length >= 3 && candidate.includes(name))
  const near = part ?? nearest(name, candidates)
  if (near === undefined || near === part) return near
  return distance(name, near) * 2 < Math.max(name.length, near.length) ? near : undefined
}

/** Levenshtein's, row by row: characters added, left out or replaced. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [line, character] of [...from].entries()) {
    const next = [line + 1]
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (to[column - 1] === character ? 0 : 1)
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
