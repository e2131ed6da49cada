// biome-ignore-all lint/correctness/noPrecisionLoss: integers have 64 bits in AssemblyScript

// Rateless invertible Bloom look-up tables (Yang, Gilad, Alizadeh, Practical Rateless Set Reconciliation, SIGCOMM
// 2024). Symbols and index mapping are those of `src/core/surface.ts`; a symbol is 17 bytes and seldom aligned.

const SYMBOL: usize = 17
const CHECK: usize = 8
const COUNT: usize = 16

/** From one step of an id's walk to the next. */
const MULTIPLIER: u64 = 0xda942042e4dd58b5

/** The symbols, or the room, do not suffice. */
const NEED_MORE: i32 = -1

// Scratch: the queue of symbols to look at. It has a first and a last one, and a link from each to the next; the last
// one links to itself, and a symbol that is not in it to none.
const FIRST: usize = 0
const LAST: usize = 4
const LINKS: usize = 8
const NONE: u32 = 0xffffffff

/** Bytes of scratch that `sketchDecode` needs; symbols < 2³⁰. */
export function sketchScratch(symbols: u32): u32 {
  return <u32>LINKS + (symbols << 2)
}

/**
 * Adds ids to a sketch or takes them out.
 *
 * @param sketch - symbols × 17 bytes
 * @param ids - n × u64
 * @param sign - 1 or −1
 * @returns n
 */
export function sketchUpdate(sketch: usize, symbols: u32, ids: usize, n: u32, sign: i32): i32 {
  for (const end = ids + ((<usize>n) << 3); ids < end; ids += 8) {
    const id = load<u64>(ids)
    const check = mix(id)
    let walk = check
    for (let index: f64 = 0; index < <f64>symbols; ) {
      add(sketch + <usize>index * SYMBOL, id, check, sign)
      walk *= MULTIPLIER
      index += stride(index, walk)
    }
  }
  return n
}

/**
 * The ids in a difference of two sketches, breadth first.
 *
 * @param diff - symbols × 17 bytes, used up
 * @param outIds - room × u64
 * @param outSigns - room × i8
 * @param scratch - `sketchScratch(symbols)` bytes
 * @returns how many, or `NEED_MORE`
 */
export function sketchDecode(
  diff: usize,
  symbols: u32,
  outIds: usize,
  outSigns: usize,
  room: u32,
  scratch: usize,
): i32 {
  const queue = scratch
  memory.fill(queue, 0xff, LINKS + ((<usize>symbols) << 2))
  for (let i: u32 = 0; i < symbols; i++) if (side(diff + <usize>i * SYMBOL)) push(queue, i)
  const most = min(room, symbols)
  let count: u32 = 0
  while (load<u32>(queue, FIRST) !== NONE) {
    const symbol = diff + <usize>pop(queue) * SYMBOL
    // Taking out another id may have emptied it meanwhile.
    const sign = side(symbol)
    if (!sign) continue
    if (count === most) return NEED_MORE
    const id = load<u64>(symbol)
    store<u64>(outIds + ((<usize>count) << 3), id)
    store<i8>(outSigns + <usize>count, <i8>sign)
    count++
    takeOut(diff, symbols, id, load<u64>(symbol, CHECK), sign, queue)
  }
  return isZero(diff, <usize>symbols * SYMBOL) ? <i32>count : NEED_MORE
}

/** Takes an id out of every symbol it stands in, and queues those that then hold one id only. */
function takeOut(diff: usize, symbols: u32, id: u64, check: u64, sign: i32, queue: usize): void {
  let walk = check
  for (let index: f64 = 0; index < <f64>symbols; ) {
    const symbol = diff + <usize>index * SYMBOL
    add(symbol, id, check, -sign)
    if (side(symbol)) push(queue, <u32>index)
    walk *= MULTIPLIER
    index += stride(index, walk)
  }
}

/** Queues a symbol, unless it is waiting already. */
function push(queue: usize, symbol: u32): void {
  const link = queue + LINKS + ((<usize>symbol) << 2)
  if (load<u32>(link) !== NONE) return
  const last = load<u32>(queue, LAST)
  store<u32>(last === NONE ? queue + FIRST : queue + LINKS + ((<usize>last) << 2), symbol)
  store<u32>(link, symbol)
  store<u32>(queue, symbol, LAST)
}

function pop(queue: usize): u32 {
  const symbol = load<u32>(queue, FIRST)
  const link = queue + LINKS + ((<usize>symbol) << 2)
  const next = load<u32>(link)
  store<u32>(link, NONE)
  store<u32>(queue, next === symbol ? NONE : next, FIRST)
  if (next === symbol) store<u32>(queue, NONE, LAST)
  return symbol
}

/** The check of an id. */
function mix(id: u64): u64 {
  let z = id ^ 0xa0761d6478bd642f
  z = (z ^ (z >> 33)) * 0xff51afd7ed558ccd
  z = (z ^ (z >> 33)) * 0xc4ceb9fe1a85ec53
  return z ^ (z >> 33)
}

/** How far the next symbol of an id is from the one at `index`; an integer ≥ 1. */
function stride(index: f64, walk: u64): f64 {
  // Rounds as a conversion of all 64 bits would, without its branch on the highest.
  const wide = <f64>(<i64>(walk >> 32)) * 4294967296.0 + <f64>(<i64>(walk & 0xffffffff))
  return max<f64>(1, ceil<f64>((index + 1.5) * (4294967296.0 / sqrt<f64>(wide + 1.0) - 1.0)))
}

function add(symbol: usize, id: u64, check: u64, sign: i32): void {
  store<u64>(symbol, load<u64>(symbol) ^ id)
  store<u64>(symbol, load<u64>(symbol, CHECK) ^ check, CHECK)
  store<u8>(symbol, load<u8>(symbol, COUNT) + sign, COUNT)
}

/** When a symbol holds one id and nothing else: which side it is on, 1 or −1. Else 0. */
function side(symbol: usize): i32 {
  const sign = <i32>load<i8>(symbol, COUNT)
  if (sign !== 1 && sign !== -1) return 0
  return mix(load<u64>(symbol)) === load<u64>(symbol, CHECK) ? sign : 0
}

function isZero(bytes: usize, length: usize): bool {
  const end = bytes + length
  for (; bytes + 16 <= end; bytes += 16) if (v128.any_true(v128.load(bytes))) return false
  for (; bytes < end; bytes++) if (load<u8>(bytes)) return false
  return true
}
