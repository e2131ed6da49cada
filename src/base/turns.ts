// Works on one thing take turns; works on different things go on side by side.

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Run `work` when all that took a turn for `key` before has ended, in success or not. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const mine = (before ?? Promise.resolve()).catch(() => undefined).then(work)
    this.#last.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    }
  }
}
