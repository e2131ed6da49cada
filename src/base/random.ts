// Randomness comes in through constructors: the system's for a running node, a seeded one in a simulation.
import { randomBytes } from 'node:crypto'

export interface Random {
  /** `length` random bytes; from the operating system unless a simulation injected its own. */
  bytes(length: number): Uint8Array
  /** A fraction in [0, 1), for jitter and sampling; never for secrets. */
  fraction(): number
}

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => Math.random(),
}

/** Deterministic source for simulations and property tests (mulberry32). Never for keys of a real node. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 255),
    fraction: () => next() / 2 ** 32,
  }
}

/** A copy of `items` in random order (Fisher–Yates). */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random.fraction() * (i + 1))
    const held = order[i] as T
    order[i] = order[j] as T
    order[j] = held
  }
  return order
}
