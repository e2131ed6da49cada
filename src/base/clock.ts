// Time comes in through constructors, so that a whole node can run under virtual time (test/simulation).
import { CatalogError } from './errors.ts'

export interface Clock {
  /** Whole milliseconds since the Unix epoch. */
  now(): number
  /** Call `callback` once after `delayMs`; the returned function cancels it. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/**
 * Call `callback` after a time that passes whatever clock the node has, as that of threads and disks does. Keeps the
 * process alive.
 */
export function afterRealTime(delayMs: number, callback: () => void): void {
  setTimeout(callback, delayMs)
}

/** A signal that ends work by a deadline or when `parent` aborts. Dispose it when the work is done. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  /** Start the time anew: for deadlines on silence rather than on the whole. */
  renew(): void
}

/**
 * @param timeoutMs - time until `signal` aborts with `PEER_TIMEOUT`
 * @param what - completes the sentence "No answer in N s from …"
 */
export function deadline(clock: Clock, timeoutMs: number, what: string, parent?: AbortSignal): Deadline {
  const controller = new AbortController()
  const expire = () =>
    controller.abort(new CatalogError('PEER_TIMEOUT', `No answer in ${timeoutMs / 1000} s from ${what}.`))
  const follow = () => controller.abort(parent?.reason)
  let cancel = clock.after(timeoutMs, expire)
  if (parent?.aborted) follow()
  else parent?.addEventListener('abort', follow, { once: true })
  return {
    signal: controller.signal,
    renew() {
      cancel()
      if (!controller.signal.aborted) cancel = clock.after(timeoutMs, expire)
    },
    [Symbol.dispose]() {
      cancel()
      parent?.removeEventListener('abort', follow)
    },
  }
}

/** Wait without keeping the process alive; rejects with the signal's reason when it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (signal?.aborted) return Promise.reject(signal.reason)
  const abort = () => {
    cancel()
    reject(signal?.reason)
  }
  const cancel = clock.after(delayMs, () => {
    signal?.removeEventListener('abort', abort)
    resolve()
  })
  signal?.addEventListener('abort', abort, { once: true })
  return promise
}

/** Settle with `work`, or reject with the signal's reason as soon as it aborts. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  if (signal.aborted) {
    work.catch(() => undefined) // nobody waits for it any more
    throw signal.reason
  }
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * Let others have their turn, which takes no time by any clock.
 *
 * @throws CatalogError `ABORTED`
 */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  if (signal?.aborted) throw new CatalogError('ABORTED', 'Cancelled.', { cause: signal.reason })
}
