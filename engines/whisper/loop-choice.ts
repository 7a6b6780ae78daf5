import { ELEMENT_TYPES, type ElementType } from '../onnx/graph.ts'
import type { GraphBuilder, Value } from '../onnx/graph-builder.ts'

/** Which tokens mean what; the graph is built for them. */
export interface ChoiceTokens {
  readonly endOfText: number
  readonly firstTimestamp: number
  readonly vocabularySize: number
}

/** Values of the graph, all [row][1] but for the logits [row][token] and two that hold for all rows. */
export interface ChoiceInputs {
  readonly logits: Value
  /** The token that was read. */
  readonly last: Value
  /** Whether the one before it was a timestamp, or there was none. */
  readonly before: Value
  /** The latest timestamp; the token before the first one where there was none. */
  readonly latest: Value
  /** The last timestamp that may come. */
  readonly limit: Value
  /** [token]: 0, or `NEVER` for what may not come. */
  readonly suppressed: Value
  /** The same, and `NEVER` for all but text: `textOnly` makes it. */
  readonly textOnly: Value
  /** bool: whether timestamps never go back. */
  readonly isMonotonic: Value
}

export interface Choice {
  readonly token: Value
  readonly logProb: Value
  readonly before: Value
  readonly latest: Value
}

/** Stands for what may not come: no logit is near it, and unlike −Infinity it can be subtracted from itself. */
export const NEVER = -1e30

/**
 * The likeliest token that may come, and the log of its probability among those: `applyRules` and `likeliest` for rows that
 * have written something, as nodes of a graph. Text, special tokens and timestamps are weighed one by one, so that a rule is a
 * choice between three numbers of a row. Text is most of the row: what is done to all of it is done once, and copies nothing.
 */
export function chooseToken(graph: GraphBuilder, tokens: ChoiceTokens, inputs: ChoiceInputs): Choice {
  const { endOfText, firstTimestamp, vocabularySize } = tokens
  const { last, before, latest } = inputs
  const isStamp = notLess(graph, last, graph.int(firstTimestamp))
  const opens = graph.node('And', [isStamp, graph.node('Not', [before])])
  const closes = graph.node('And', [isStamp, before])
  const text = graph.node('Add', [inputs.logits, inputs.textOnly])
  const part = (from: number, to: number) =>
    graph.node('Add', [
      slice(graph, inputs.logits, 1, from, to),
      slice(graph, inputs.suppressed, 0, from, to),
    ])
  const special = part(endOfText, firstTimestamp)
  const earliest = graph.node('Where', [
    closes,
    graph.int(vocabularySize),
    graph.node('Where', [
      inputs.isMonotonic,
      graph.node('Where', [opens, latest, graph.node('Add', [latest, graph.int(1)])]),
      graph.int(firstTimestamp),
    ]),
  ])
  const ids = graph.node('Range', [graph.int(firstTimestamp), graph.int(vocabularySize), graph.int(1)])
  const isInside = graph.node('And', [
    notLess(graph, ids, earliest),
    graph.node('Not', [graph.node('Less', [inputs.limit, ids])]),
  ])
  const all = part(firstTimestamp, vocabularySize)
  const stamps = graph.node('Where', [isInside, all, graph.float(NEVER)])

  const word = best(graph, text, 0)
  const wordLogit = graph.node('GatherElements', [text, word], { attributes: { axis: 1 } })
  const textTop = graph.node('Where', [opens, graph.float(NEVER), wordLogit])
  const specialTop = top(graph, special)
  const highest = graph.node('Max', [textTop, specialTop])
  const stampShare = share(graph, stamps, highest)
  const outweighs = graph.node('Greater', [stampShare, graph.float(1)])
  const textShare = graph.node('Where', [opens, graph.float(0), share(graph, text, highest)])
  const others = graph.node('Add', [textShare, share(graph, special, highest)])
  const total = graph.node('Where', [
    outweighs,
    share(graph, stamps, top(graph, stamps)),
    graph.node('Add', [others, stampShare]),
  ])
  const isText = notLess(graph, textTop, specialTop)
  const said = graph.node('Where', [isText, word, best(graph, special, endOfText)])
  const token = graph.node('Where', [outweighs, best(graph, stamps, firstTimestamp), said])
  return {
    token,
    logProb: graph.node('Neg', [graph.node('Log', [total])]),
    before: graph.node('Identity', [isStamp]),
    latest: graph.node('Where', [notLess(graph, token, graph.int(firstTimestamp)), token, latest]),
  }
}

/** `suppressed` for text alone. It stays the same for all steps: made outside of the loop, it is made once. */
export function textOnly(
  graph: GraphBuilder,
  { endOfText, vocabularySize }: ChoiceTokens,
  suppressed: Value,
): Value {
  const ids = graph.node('Range', [graph.int(0), graph.int(vocabularySize), graph.int(1)])
  const isText = graph.node('Less', [ids, graph.int(endOfText)])
  return graph.node('Where', [isText, suppressed, graph.float(NEVER)])
}

export function ofType(graph: GraphBuilder, value: Value, type: ElementType): Value {
  return graph.node('Cast', [value], { attributes: { to: ELEMENT_TYPES[type].code } })
}

function notLess(graph: GraphBuilder, value: Value, than: Value): Value {
  return graph.node('Not', [graph.node('Less', [value, than])])
}

function slice(graph: GraphBuilder, values: Value, axis: number, from: number, to: number): Value {
  return graph.node('Slice', [values, graph.ints(from), graph.ints(to), graph.ints(axis)])
}

function top(graph: GraphBuilder, values: Value): Value {
  return graph.reduce('ReduceMax', values, [1], true)
}

/** The sum of exp(value − reference). */
function share(graph: GraphBuilder, values: Value, reference: Value): Value {
  const shares = graph.node('Exp', [graph.node('Sub', [values, reference])])
  return graph.reduce('ReduceSum', shares, [1], true)
}

/** The token of the highest value, the first of equal ones. */
function best(graph: GraphBuilder, values: Value, from: number): Value {
  const place = graph.node('ArgMax', [values], { attributes: { axis: 1, keepdims: 1 } })
  return from === 0 ? place : graph.node('Add', [place, graph.int(from)])
}
