// What the WebAssembly module exports (`wasm/index.ts`): numbers are u32 unless it says otherwise, most of them
// addresses. Scratch is asked for by the function's own `…Scratch`.

/** What a function answers when a number of its arguments is out of bounds; nothing was written then. */
export const OUT_OF_RANGE = -2

export interface Exports {
  heapBase(): number
  abi(): number
  isRelaxed(): number

  sha256Scratch(): number
  sha256Many(buffer: number, bytes: number, ranges: number, n: number, out: number, scratch: number): number
  sha256Update(state: number, piece: number, length: number, final: number, scratch: number): number

  chunkScratch(): number
  chunk(
    buffer: number,
    length: number,
    profile: number,
    final: number,
    cuts: number,
    capacity: number,
    scratch: number,
  ): number

  merkleScratch(n: number): number
  /** `nodes` is 0 when nobody wants them. */
  merkleRoot(
    ids: number,
    lengths: number,
    n: number,
    profile: number,
    out: number,
    nodes: number,
    scratch: number,
  ): number
  /** `total` is a 64-bit float. */
  merkleVerify(
    root: number,
    profile: number,
    total: number,
    count: number,
    index: number,
    id: number,
    length: number,
    proof: number,
    steps: number,
    scratch: number,
  ): number

  erasureScratch(k: number, m: number): number
  /** A stride is the distance from one shard to the next. */
  rsEncode(
    k: number,
    m: number,
    shardBytes: number,
    data: number,
    dataStride: number,
    parity: number,
    parityStride: number,
    scratch: number,
  ): number
  rsReconstruct(
    k: number,
    m: number,
    shardBytes: number,
    shards: number,
    stride: number,
    present: number,
    want: number,
    scratch: number,
  ): number

  sketchScratch(symbols: number): number
  sketchUpdate(sketch: number, symbols: number, ids: number, n: number, sign: number): number
  sketchDecode(diff: number, symbols: number, outIds: number, outSigns: number, room: number, scratch: number): number
}
