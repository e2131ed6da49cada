// biome-ignore-all lint/correctness/noPrecisionLoss: integers have 64 bits in AssemblyScript

// Content-defined chunking by a gear hash with two masks (Xia et al., FastCDC, USENIX ATC 2016). The hash at a point
// covers the 64 bytes before it, as older ones are shifted out, and a chunk is never shorter than that: so a scan can
// begin at any point, and the stretch below the smallest length is not even read.

const PROFILE_CONTENT_16K: u32 = 1

const TABLE_ENTRIES: usize = 256
const WINDOW: usize = 64

/** Bytes of scratch that `chunk` needs. */
export function chunkScratch(): u32 {
  return <u32>(TABLE_ENTRIES << 3)
}

/**
 * Ends of the chunks in `length` bytes at `buffer`.
 *
 * @param profile - content-defined, with chunks of 16 KiB or of 64 KiB on average
 * @param final - not 0 when the data ends here; if it does not, an end that more data could move is left out
 * @param cuts - room for `capacity` × u32, receives the ends, counted from `buffer`
 * @param scratch - `chunkScratch()` bytes, 8-byte aligned
 * @returns how many ends there are
 */
export function chunk(
  buffer: usize,
  length: u32,
  profile: u32,
  final: u32,
  cuts: usize,
  capacity: u32,
  scratch: usize,
): i32 {
  const averageBits: u32 = profile === PROFILE_CONTENT_16K ? 14 : 16
  const max: u32 = 4 << averageBits
  fillTable(scratch)
  let count: u32 = 0
  for (let start: u32 = 0; start < length && count < capacity; count++) {
    const rest = length - start
    const cut = cutPoint(buffer + <usize>start, min(rest, max), averageBits, scratch)
    if (cut === 0 && rest < max && !final) break
    start += cut > 0 ? cut : min(rest, max)
    store<u32>(cuts + ((<usize>count) << 2), start)
  }
  return <i32>count
}

/** Where the hash ends a chunk of at most `limit` bytes: fewer zero bits suffice once it has the average length. */
function cutPoint(start: usize, limit: u32, averageBits: u32, table: usize): u32 {
  const average: u32 = 1 << averageBits
  const strict = scan(start, average >> 2, min(limit, average), averageBits + 2, table)
  return strict > 0 ? strict : scan(start, average + 1, limit, averageBits - 2, table)
}

/** The least length from `from` to `to` at which the highest `zeros` bits of the hash are 0; none: 0. */
function scan(start: usize, from: u32, to: u32, zeros: u32, table: usize): u32 {
  if (from > to) return 0
  const bound: u64 = (<u64>1) << (64 - zeros)
  let hash: u64 = 0
  let at = start + <usize>from - WINDOW
  for (const first = start + <usize>from - 1; at < first; at++) hash = (hash << 1) + gear(table, at, 0)
  const end = start + <usize>to
  for (; at + 8 <= end; at += 8) {
    hash = (hash << 1) + gear(table, at, 0)
    if (hash < bound) return <u32>(at - start) + 1
    hash = (hash << 1) + gear(table, at, 1)
    if (hash < bound) return <u32>(at - start) + 2
    hash = (hash << 1) + gear(table, at, 2)
    if (hash < bound) return <u32>(at - start) + 3
    hash = (hash << 1) + gear(table, at, 3)
    if (hash < bound) return <u32>(at - start) + 4
    hash = (hash << 1) + gear(table, at, 4)
    if (hash < bound) return <u32>(at - start) + 5
    hash = (hash << 1) + gear(table, at, 5)
    if (hash < bound) return <u32>(at - start) + 6
    hash = (hash << 1) + gear(table, at, 6)
    if (hash < bound) return <u32>(at - start) + 7
    hash = (hash << 1) + gear(table, at, 7)
    if (hash < bound) return <u32>(at - start) + 8
  }
  for (; at < end; at++) {
    hash = (hash << 1) + gear(table, at, 0)
    if (hash < bound) return <u32>(at - start) + 1
  }
  return 0
}

function gear(table: usize, at: usize, offset: usize): u64 {
  return load<u64>(table + ((<usize>load<u8>(at + offset)) << 3))
}

/** A random number for each byte: the first outputs of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
function fillTable(table: usize): void {
  let state: u64 = 0x436174616c6f6731
  for (let i: usize = 0; i < TABLE_ENTRIES; i++) {
    state += 0x9e3779b97f4a7c15
    let z = state
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb
    store<u64>(table + (i << 3), z ^ (z >> 31))
  }
}
