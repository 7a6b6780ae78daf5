import type { WireReader } from './wire-reader.ts'

/** A StringStringEntryProto. */
export function readEntry(reader: WireReader, into: Map<string, string>): void {
  let key = ''
  let value = ''
  reader.onlyFields({
    1: () => {
      key = reader.text('key')
    },
    2: () => {
      value = reader.text('value')
    },
  })
  if (into.has(key)) reader.fail(`found the key '${key}' twice`)
  into.set(key, value)
}
