// Sets of small numbers as bits, least significant first: bit i is bit i & 7 of byte i >> 3.

export function bitmapFor(count: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Math.ceil(count / 8))
}

export function hasBit(bitmap: Uint8Array, index: number): boolean {
  return ((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
}

export function setBit(bitmap: Uint8Array, index: number): void {
  bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
}
