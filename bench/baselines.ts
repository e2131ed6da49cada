// What candidates are measured against where nothing at hand does the same work: plain copies, and the time that
// the processor takes for a fixed chain of operations.
import { MiB } from '../src/base/units.ts'

/** Six operations each, of which none can start before the one before it has ended. */
const STEPS_PER_MICRO = 500

let carried = 1

/**
 * 3,000 dependent operations for each of `count`: one microsecond of a core at 3 GHz that does one a cycle. A budget
 * in microseconds means these, so it asks the same of a slow and of a fast machine.
 */
export function spendMicros(count: number): number {
  let x = carried
  for (let i = count * STEPS_PER_MICRO; i > 0; i--) {
    // xorshift32 (Marsaglia 2003)
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
  }
  carried = x
  return x
}

/** What copies read from: more than a core's own caches hold, as a file does that passes through once. */
export const SOURCE_BYTES = 32 * MiB

/** Pieces of `bytes` bytes side by side in `source`, as many as fit. */
export function piecesOf(source: Uint8Array, bytes: number): Uint8Array[] {
  return Array.from({ length: Math.floor(source.length / bytes) }, (_, i) =>
    source.subarray(i * bytes, (i + 1) * bytes),
  )
}

/** memcpy of each piece to the same place. V8 passes `set` between unshared views of bytes on to the C library. */
export function copier(pieces: readonly Uint8Array[]): () => void {
  const target = new Uint8Array(pieces[0]?.length ?? 0)
  return () => {
    for (const piece of pieces) target.set(piece)
  }
}

/**
 * A module that copies within the memory it is given, and does nothing else:
 *
 *     (module
 *       (import "env" "memory" (memory 1 65536 shared))
 *       (func (export "copy") (param i32 i32 i32)
 *         (memory.copy (local.get 0) (local.get 1) (local.get 2))))
 */
const COPY_MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x07, 0x01, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x00], // type: three i32, nothing back
  ...[0x02, 0x12, 0x01, 0x03, 0x65, 0x6e, 0x76, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79], // import env.memory:
  ...[0x02, 0x03, 0x01, 0x80, 0x80, 0x04], // a shared memory of 1 to 65,536 pages
  ...[0x03, 0x02, 0x01, 0x00], // one function
  ...[0x07, 0x08, 0x01, 0x04, 0x63, 0x6f, 0x70, 0x79, 0x00, 0x00], // exported as copy
  ...[0x0a, 0x0e, 0x01, 0x0c, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02], // get all three
  ...[0xfc, 0x0a, 0x00, 0x00, 0x0b], // memory.copy, end
)

const PAGE_BYTES = 65_536

/** The same by WebAssembly's `memory.copy`, in a shared memory like that of the core. */
export function memoryCopier(pieces: readonly Uint8Array[]): () => void {
  const bytes = pieces[0]?.length ?? 0
  const initial = Math.ceil(((pieces.length + 1) * bytes) / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial, maximum: 65_536, shared: true })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(COPY_MODULE), { env: { memory } })
  const copy = exports['copy'] as (to: number, from: number, bytes: number) => void
  const sources = pieces.map((piece, i) => {
    new Uint8Array(memory.buffer).set(piece, (i + 1) * bytes)
    return (i + 1) * bytes
  })
  const copyAll = () => {
    for (const from of sources) copy(0, from, bytes)
  }
  copyAll()
  const copied = new Uint8Array(memory.buffer, 0, bytes)
  if (Buffer.compare(copied, pieces.at(-1) ?? copied) !== 0) throw new Error('memory.copy: wrong bytes')
  return copyAll
}
