/**
 * How greedy search walks along the encoder's frames: from what a network says at one place to the next place. The step
 * loop and the graph of the loop both do this; it is written here once for reading, and in `loop-graph.ts` in operators.
 * Pure.
 */
export interface Place {
  readonly frame: number
  /** Tokens written since the last step forward. */
  readonly written: number
}

/**
 * `duration` is what the network says: frames to go on by. 0 means that more may come in this frame, up to
 * `mostTokens`; a blank always goes on. Networks without durations (RNN-T) say 0.
 */
export function nextPlace(place: Place, isBlank: boolean, duration: number, mostTokens: number): Place {
  if (duration > 0) return { frame: place.frame + duration, written: 0 }
  const written = place.written + (isBlank ? 0 : 1)
  if (isBlank || written >= mostTokens) return { frame: place.frame + 1, written: 0 }
  return { frame: place.frame, written }
}
