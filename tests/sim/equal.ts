/** Whether two values say the same, through objects, arrays and maps; an absent field is the same as an undefined one. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Map) return b instanceof Map && areMapsEqual(a, b)
  if (Array.isArray(a)) return Array.isArray(b) && areListsEqual(a, b)
  return areListsEqual(entriesOf(a), entriesOf(b))
}

function areMapsEqual(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (!isEqual(value, b.get(key))) return false
  return true
}

function areListsEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => isEqual(value, b[index]))
}

function entriesOf(value: object): unknown[] {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  return entries.sort(([one], [other]) => (one < other ? -1 : 1))
}
