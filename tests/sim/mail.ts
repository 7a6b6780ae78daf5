/**
 * What is on its way between objects, the edge, D1 and the HTTP route: calls, and their answers. Nothing arrives unless an
 * event says so; what is dropped fails at its sender, as a broken connection does.
 */
export interface Message {
  /** Says what it is and for whom, so that a list of events can name it. */
  readonly name: string
  readonly sentAtMs: number
  arrive(as: MergeEnd | undefined): void
  /** Null where the platform loses nothing: an object's own work. */
  readonly lose: (() => void) | null
  /** Null for what is never sent twice. */
  readonly copy: (() => Message) | null
}

export type MergeEnd = 'retryable' | 'terminal'

export class Mail {
  /** From the oldest to the newest. */
  readonly inFlight: Message[] = []

  send(message: Message): void {
    this.inFlight.push(message)
  }

  /** The nth of the oldest of that name; null when there is none. */
  find(name: string, nth = 0): Message | null {
    let seen = 0
    for (const message of this.inFlight) {
      if (message.name === name && seen++ === nth) return message
    }
    return null
  }

  /** How many of the same name are older. */
  nthOf(message: Message): number {
    let older = 0
    for (const other of this.inFlight) {
      if (other === message) return older
      if (other.name === message.name) older++
    }
    return 0
  }

  take(message: Message): void {
    this.inFlight.splice(this.inFlight.indexOf(message), 1)
  }
}
