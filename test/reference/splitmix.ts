// splitmix64: the gear table of the core is made of it, and so is the data of its vectors, which therefore need only
// name a seed. Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.

/** The low 64 bits. */
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)

/** The outputs, from number 0 on, without end. */
export function* splitmix64(seed: bigint): Generator<bigint, never> {
  for (let state = u64(seed + 0x9e3779b97f4a7c15n); ; state = u64(state + 0x9e3779b97f4a7c15n)) {
    let z = state
    z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    yield z ^ (z >> 31n)
  }
}

/** Bytes of the outputs, each little-endian. */
export function splitmixBytes(seed: bigint, length: number): Uint8Array<ArrayBuffer> {
  const words = new DataView(new ArrayBuffer(Math.ceil(length / 8) * 8))
  const outputs = splitmix64(seed)
  for (let at = 0; at < length; at += 8) words.setBigUint64(at, outputs.next().value, true)
  return new Uint8Array(words.buffer, 0, length)
}
