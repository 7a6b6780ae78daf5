/** Values that arrive in any order, awaited by what they are. A wait that is not met fails with what did arrive. */
export class Inbox<T> {
  readonly all: T[] = []
  #taken = new Set<number>()
  #waiters: { readonly test: (value: T) => boolean; readonly resolve: (value: T) => void }[] = []

  put(value: T): void {
    this.all.push(value)
    const waiter = this.#waiters.find((one) => one.test(value))
    if (waiter === undefined) return
    this.#waiters = this.#waiters.filter((one) => one !== waiter)
    this.#taken.add(this.all.length - 1)
    waiter.resolve(value)
  }

  /** The first value that fits and was not taken yet, now or within the limit. */
  take(what: string, test: (value: T) => boolean, limitMs = 10_000): Promise<T> {
    const index = this.all.findIndex((value, at) => !this.#taken.has(at) && test(value))
    const found = this.all[index]
    if (found !== undefined) {
      this.#taken.add(index)
      return Promise.resolve(found)
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter)
        reject(
          new Error(`no ${what} within ${limitMs} ms; arrived: ${JSON.stringify(this.all).slice(0, 2000)}`),
        )
      }, limitMs)
      const waiter = {
        test,
        resolve: (value: T) => {
          clearTimeout(timer)
          resolve(value)
        },
      }
      this.#waiters.push(waiter)
    })
  }
}
