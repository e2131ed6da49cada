// What is under way, and must have ended before what it works with is closed.
import { type CatalogError, hasCode } from './errors.ts'

interface Entry {
  readonly stop: AbortController
  /** Resolves when nothing of it is under way any more, however it ended. */
  end(): Promise<unknown>
}

export class UnderWay {
  readonly #entries = new Set<Entry>()
  #closed: CatalogError | undefined

  /**
   * Run a work that `close` shall wait for.
   *
   * @param work - to end early when the signal it is given aborts: with the caller's, or when all is closed
   * @throws CatalogError what `work` throws; `CLOSED` for one that was stopped by `close`, or that came after it
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) throw this.#closed
    const stop = new AbortController()
    using _ = following(signal, stop)
    const running = work(stop.signal)
    const entry = { stop, end: () => Promise.allSettled([running]) }
    this.#entries.add(entry)
    try {
      return await running
    } catch (thrown) {
      throw this.#told(thrown)
    } finally {
      this.#entries.delete(entry)
    }
  }

  /** The same step by step. One whose reader does not come back for the next step is ended where it stands. */
  async *steps<T>(work: (signal: AbortSignal) => AsyncGenerator<T>, signal?: AbortSignal): AsyncGenerator<T> {
    if (this.#closed) throw this.#closed
    const stop = new AbortController()
    using _ = following(signal, stop)
    const steps = work(stop.signal)
    // A generator takes calls in turn: this returns once the step under way is done, and all is given back.
    const entry = { stop, end: () => Promise.allSettled([steps.return(undefined)]) }
    this.#entries.add(entry)
    try {
      for (;;) {
        const { value, done } = await steps.next()
        if (this.#closed) throw this.#closed
        if (done) return
        yield value
      }
    } catch (thrown) {
      throw this.#told(thrown)
    } finally {
      await steps.return(undefined)
      this.#entries.delete(entry)
    }
  }

  /** Stop everything, and wait for its end. What comes later is refused. */
  async close(reason: CatalogError): Promise<void> {
    this.#closed ??= reason
    for (const { stop } of this.#entries) stop.abort(reason)
    await Promise.all([...this.#entries].map((entry) => entry.end()))
  }

  #told(thrown: unknown): unknown {
    return this.#closed && hasCode(thrown, 'ABORTED') ? this.#closed : thrown
  }
}

/** Abort with a signal, until this is disposed of. */
function following(signal: AbortSignal | undefined, stop: AbortController): Disposable {
  const follow = () => stop.abort(signal?.reason)
  if (signal?.aborted) follow()
  else signal?.addEventListener('abort', follow, { once: true })
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', follow) }
}
