// A core whose every call is moved to a chosen place in a chosen memory, and watched: arguments that are only read stay
// as they are, nothing beside the outputs is written, and nothing at all by a call that throws.
import { deepEqual } from 'node:assert/strict'
import type { Kernels } from '../reference/core.ts'

type View = Uint8Array | Uint32Array | BigUint64Array | Int8Array

/** Bytes that calls may use one after another. */
export type Ground = Uint8Array

/** Where arguments go. */
export interface Place {
  /** Which of the grounds, counted round. */
  readonly ground: number
  /** Bytes that the first argument starts behind a multiple of 64; each further one has another distance. */
  readonly shift: number
}

const CONSTRUCTORS = { Uint8Array, Uint32Array, BigUint64Array, Int8Array }
const LINE_BYTES = 64
/** What lies between the arguments. */
const GUARD = 0xee

export class PlacedCore implements Kernels {
  readonly #core: Kernels
  readonly #ground: Ground
  readonly #shift: number

  constructor(core: Kernels, grounds: readonly Ground[], { ground, shift }: Place) {
    this.#core = core
    this.#ground = grounds[ground % grounds.length] as Ground
    this.#shift = shift
  }

  abi(): number {
    return this.#core.abi()
  }

  features(): readonly string[] {
    return this.#core.features()
  }

  sha256Many(buffer: Uint8Array, ranges: Uint32Array, out: Uint8Array): number {
    return this.#call([buffer, ranges, out], [out], (b, r, o) => this.#core.sha256Many(b, r, o))
  }

  sha256Update(state: Uint8Array, buffer: Uint8Array, offset: number, length: number, final: boolean): number {
    return this.#call([state, buffer], [state], (s, b) => this.#core.sha256Update(s, b, offset, length, final))
  }

  chunk(
    buffer: Uint8Array,
    offset: number,
    length: number,
    profile: number,
    final: boolean,
    cuts: Uint32Array,
  ): number {
    return this.#call([buffer, cuts], [cuts], (b, c) => this.#core.chunk(b, offset, length, profile, final, c))
  }

  merkleRoot(ids: Uint8Array, lengths: Uint32Array, profile: number, out: Uint8Array, nodes?: Uint8Array): number {
    if (!nodes) {
      return this.#call([ids, lengths, out], [out], (i, l, o) => this.#core.merkleRoot(i, l, profile, o))
    }
    return this.#call([ids, lengths, out, nodes], [out, nodes], (i, l, o, n) => {
      return this.#core.merkleRoot(i, l, profile, o, n)
    })
  }

  merkleVerify(
    root: Uint8Array,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: Uint8Array,
    length: number,
    proof: Uint8Array,
  ): boolean {
    return this.#call([root, id, proof], [], (r, i, p) => {
      return this.#core.merkleVerify(r, profile, total, count, index, i, length, p)
    })
  }

  rsEncode(k: number, m: number, shardBytes: number, data: Uint8Array, parity: Uint8Array): number {
    return this.#call([data, parity], [parity], (d, p) => this.#core.rsEncode(k, m, shardBytes, d, p))
  }

  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: Uint8Array,
    present: Uint8Array,
    want: Uint8Array,
  ): number {
    return this.#call([shards, present, want], [shards], (s, p, w) => {
      return this.#core.rsReconstruct(k, m, shardBytes, s, p, w)
    })
  }

  sketchUpdate(sketch: Uint8Array, symbols: number, ids: BigUint64Array, sign: 1 | -1): number {
    return this.#call([sketch, ids], [sketch], (s, i) => this.#core.sketchUpdate(s, symbols, i, sign))
  }

  sketchDecode(diff: Uint8Array, symbols: number, outIds: BigUint64Array, outSigns: Int8Array): number {
    return this.#call([diff, outIds, outSigns], [diff, outIds, outSigns], (d, i, s) => {
      return this.#core.sketchDecode(d, symbols, i, s)
    })
  }

  #call<A extends View[], R>(args: [...A], outputs: readonly View[], run: (...views: A) => R): R {
    const { views, used } = this.#lay(args)
    const before = Buffer.from(used)
    try {
      const result = run(...views)
      args.forEach((arg, i) => {
        if (!outputs.includes(arg)) return
        const view = views[i] as View
        bytesOf(arg).set(bytesOf(view))
        bytesOf(view).set(before.subarray(view.byteOffset - used.byteOffset).subarray(0, view.byteLength))
      })
      return result
    } finally {
      deepEqual(Buffer.compare(used, before), 0, 'something was written that must not be')
    }
  }

  /** Copies of the arguments on the ground, and all of it that they and the guards between them take. */
  #lay<A extends View[]>(args: [...A]): { views: A; used: Uint8Array } {
    let end = 0
    const starts = args.map((arg, i) => {
      const start = this.#aligned(end + LINE_BYTES) + aligned((this.#shift * (i + 1)) % LINE_BYTES, arg)
      end = start + arg.byteLength
      return start
    })
    const used = this.#ground.subarray(0, end + LINE_BYTES).fill(GUARD)
    const views = args.map((arg, i) => {
      const View = CONSTRUCTORS[arg[Symbol.toStringTag]]
      const view = new View(used.buffer as ArrayBuffer, used.byteOffset + (starts[i] as number), arg.length)
      bytesOf(view).set(bytesOf(arg))
      return view
    })
    return { views: views as unknown as A, used }
  }

  /** The next place on the ground that is a multiple of 64 in its memory. */
  #aligned(at: number): number {
    const { byteOffset } = this.#ground
    return Math.ceil((byteOffset + at) / LINE_BYTES) * LINE_BYTES - byteOffset
  }
}

/** A distance that the elements of a view can have from a multiple of 64. */
function aligned(distance: number, { BYTES_PER_ELEMENT }: View): number {
  return distance - (distance % BYTES_PER_ELEMENT)
}

function bytesOf({ buffer, byteOffset, byteLength }: View): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
