// Memory that the threads of a process share, in slots of one owner each. It is the memory of a WebAssembly module, so
// that bytes in a slot lie inside a WebAssembly core already; the native core takes views of it like any others.
//
//   1 MiB constants of the WebAssembly core │ slot 0: 4 MiB of bytes, 1 MiB of scratch │ slot 1 …
//
// A slot's scratch is for the core that works on it, so whoever owns the slot shares no byte with anybody. The owner
// stands in a word of its own memory, and a second word asks a worker to stop.
import { CatalogError } from '../base/errors.ts'
import { SLOT_BYTES } from '../base/limits.ts'
import { KiB, MiB } from '../base/units.ts'
import type { WasmCoreOptions } from './wasm.ts'

const PAGE_BYTES = 64 * KiB
/** Every instance of the WebAssembly core writes the same constants there, whatever its scratch (`heapBase`). */
const CONSTANTS_BYTES = MiB
const SCRATCH_BYTES = MiB
const STRIDE = SLOT_BYTES + SCRATCH_BYTES

/** Who may touch a slot. */
const FREE = 0
const MAIN = 1
const WORKER = 2
type Owner = typeof FREE | typeof MAIN | typeof WORKER

/** What the threads share. Sending it to another thread copies none of it. */
export interface SharedSlots {
  readonly memory: WebAssembly.Memory
  /** Two words a slot: its owner, and whether a worker shall stop. */
  readonly words: Int32Array<SharedArrayBuffer>
}

/** Memory for so many slots. The machine provides it page by page, as it is first written to. */
export function shareSlots(count: number): SharedSlots {
  const pages = (CONSTANTS_BYTES + count * STRIDE) / PAGE_BYTES
  return {
    // It never grows: growing would give it a new buffer, at another moment in each thread.
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }),
    words: new Int32Array(new SharedArrayBuffer(2 * count * Int32Array.BYTES_PER_ELEMENT)),
  }
}

/** The slots that are handed out on this thread, to one owner at a time, first come first served. */
export class Arena {
  readonly #shared: SharedSlots
  readonly #free: number[]
  readonly #waiting = new Set<(slot: Slot) => void>()
  readonly #waitingMax: number

  /**
   * @param options.first - number of the first slot
   * @param options.count - how many there are, ≥ 1
   * @param options.waitingMax - how many may wait for one to become free
   */
  constructor(shared: SharedSlots, options: { first: number; count: number; waitingMax: number }) {
    this.#shared = shared
    // The last one given back is taken next: its pages exist already, and may still be in the cache.
    this.#free = Array.from({ length: options.count }, (_, i) => options.first + i).reverse()
    this.#waitingMax = options.waitingMax
  }

  /**
   * A slot, as soon as one is free. Its bytes are whatever they were.
   *
   * @throws CatalogError `LIMIT_EXCEEDED` when too many are waiting already, `ABORTED`
   */
  acquire(signal?: AbortSignal): Promise<Slot> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal)
      const index = this.#free.pop()
      if (index !== undefined) return resolve(this.#handOut(index))
      if (this.#waiting.size >= this.#waitingMax) throw tooMany(this.#waitingMax)
      const serve = (slot: Slot) => {
        signal?.removeEventListener('abort', leave)
        resolve(slot)
      }
      const leave = () => {
        this.#waiting.delete(serve)
        reject(aborted(signal))
      }
      this.#waiting.add(serve)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #handOut(index: number): Slot {
    change(this.#shared, index, FREE, MAIN)
    return new Slot(this.#shared, index, () => this.#next(index))
  }

  #next(index: number): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#free.push(index)
      return
    }
    this.#waiting.delete(first)
    first(this.#handOut(index))
  }
}

/** A slot as this thread has it, until it is released. While it is lent to a worker, its bytes are the worker's. */
export class Slot implements Disposable {
  readonly index: number
  readonly #shared: SharedSlots
  readonly #onRelease: () => void
  #released = false

  constructor(shared: SharedSlots, index: number, onRelease: () => void) {
    this.#shared = shared
    this.index = index
    this.#onRelease = onRelease
  }

  /**
   * `SLOT_BYTES` bytes. To be asked for anew after each loan: a view kept from before is not checked.
   *
   * @throws CatalogError `INTERNAL` while a worker has them, or after the release
   */
  get bytes(): Uint8Array {
    this.#check()
    return bytesOf(this.#shared, this.index, MAIN)
  }

  /** Let a worker have it; `reclaim` takes it back. @throws CatalogError `INTERNAL` as `bytes` does */
  lend(): void {
    this.#check()
    Atomics.store(this.#shared.words, 2 * this.index + 1, 0)
    change(this.#shared, this.index, MAIN, WORKER)
  }

  /** Ask the worker that has it to stop. */
  stop(): void {
    Atomics.store(this.#shared.words, 2 * this.index + 1, 1)
  }

  /** Have it back from a worker that has answered, or whose thread has ended. */
  reclaim(): void {
    this.#check()
    Atomics.store(this.#shared.words, 2 * this.index, MAIN)
  }

  /** The next in the queue has it from now on. Once is enough. @throws CatalogError `INTERNAL` while it is lent */
  release(): void {
    if (this.#released) return
    change(this.#shared, this.index, MAIN, FREE)
    this.#released = true
    this.#onRelease()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #check(): void {
    if (this.#released) throw new CatalogError('INTERNAL', `Slot ${this.index} has been released.`)
  }
}

/** A slot as a worker has it, for one task. */
export class LentSlot implements Disposable {
  readonly #shared: SharedSlots
  readonly #index: number

  /** @throws CatalogError `INTERNAL` when it has not been lent */
  constructor(shared: SharedSlots, index: number) {
    this.#shared = shared
    this.#index = index
    checkOwner(shared, index, WORKER)
  }

  /** `SLOT_BYTES` bytes. @throws CatalogError `INTERNAL` once it is given back */
  get bytes(): Uint8Array {
    return bytesOf(this.#shared, this.#index, WORKER)
  }

  /** Where a WebAssembly core has to work that is used by the owner of this slot alone. */
  get scratch(): Required<WasmCoreOptions> {
    const base = start(this.#index) + SLOT_BYTES
    return { memory: this.#shared.memory, base, limit: base + SCRATCH_BYTES }
  }

  get mustStop(): boolean {
    return Atomics.load(this.#shared.words, 2 * this.#index + 1) !== 0
  }

  [Symbol.dispose](): void {
    change(this.#shared, this.#index, WORKER, MAIN)
  }
}

function start(index: number): number {
  return CONSTANTS_BYTES + index * STRIDE
}

function bytesOf(shared: SharedSlots, index: number, owner: Owner): Uint8Array {
  checkOwner(shared, index, owner)
  return new Uint8Array(shared.memory.buffer, start(index), SLOT_BYTES)
}

function checkOwner({ words }: SharedSlots, index: number, owner: Owner): void {
  const actual = Atomics.load(words, 2 * index)
  if (actual !== owner) throw notTheirs(index, actual, owner)
}

function change({ words }: SharedSlots, index: number, from: Owner, to: Owner): void {
  const actual = Atomics.compareExchange(words, 2 * index, from, to)
  if (actual !== from) throw notTheirs(index, actual, from)
}

function notTheirs(index: number, actual: number, expected: Owner): CatalogError {
  const names = ['free', 'with the main thread', 'with a worker']
  return new CatalogError('INTERNAL', `Slot ${index} is ${names[actual]}, not ${names[expected]}.`)
}

function aborted(signal?: AbortSignal): CatalogError {
  return new CatalogError('ABORTED', 'Cancelled.', { cause: signal?.reason })
}

function tooMany(waiting: number): CatalogError {
  return new CatalogError('LIMIT_EXCEEDED', `${waiting} tasks are waiting for the worker threads already.`, {
    hint: 'Wait until some of them are done.',
  })
}
