import type { OnnxTensor } from './graph.ts'
import { mergedOpsets } from './inline.ts'

/** What a graph and its subgraphs share: names, constants and versions. */
export class GraphScope {
  readonly initializers: OnnxTensor[] = []
  readonly #names = new Set<string>()
  readonly #counts = new Map<string, number>()
  readonly #constants = new Map<string, string>()
  #opsets: Readonly<Record<string, number>>

  constructor(opsets: Readonly<Record<string, number>>) {
    this.#opsets = opsets
  }

  get opsets(): Readonly<Record<string, number>> {
    return this.#opsets
  }

  requireOpsets(opsets: Readonly<Record<string, number>>): void {
    this.#opsets = mergedOpsets(this.#opsets, opsets)
  }

  /** Takes a name as it is. Throws where it is taken. */
  claim(name: string): string {
    if (this.#names.has(name)) throw new Error(`The graph has a value called ${name} already`)
    this.#names.add(name)
    return name
  }

  /** The stem, or the stem and a number. */
  fresh(stem: string): string {
    let name = stem
    while (this.#names.has(name)) {
      const count = (this.#counts.get(stem) ?? 1) + 1
      this.#counts.set(stem, count)
      name = `${stem}_${count}`
    }
    return this.claim(name)
  }

  /** One constant for all who ask for the same. It is called after its values, where they are few. */
  constant(type: string, values: readonly (number | bigint)[], make: (name: string) => OnnxTensor): string {
    const key = `${type}:${values.map((value) => (Object.is(value, -0) ? '-0' : value))}`
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const name = this.fresh(values.length > FEW_VALUES ? type : key)
    this.#constants.set(key, name)
    this.initializers.push(make(name))
    return name
  }
}

const FEW_VALUES = 6
