// What the planner knows of each provider, and of each segment it has asked one for.
import { CHUNK_BYTES, SEGMENT_BYTES_MIN } from '../base/limits.ts'
import type { Holding } from './chunk-map.ts'
import type { ProviderPace } from './pace.ts'

/** A segment that ends sooner than this is not worth dividing; nor does a shorter silence say anything. */
export const DIVIDE_MS = 500

export interface Provider {
  readonly peer: string
  has: Holding
  /** What it has asked others for: as good as held, when it is told what is rare. */
  coming: Uint8Array | undefined
  readonly pace: ProviderPace
  readonly asked: Set<Asked>
  strikes: number
  /** Chunks delivered since the last strike. */
  delivered: number
  /** It stalled: asked only for what nobody else has. */
  last: boolean
  /** Not asked before. */
  restsUntil: number
}

/** A segment that somebody was asked for. */
export interface Asked {
  readonly id: number
  readonly provider: Provider
  readonly first: number
  readonly end: number
  /** Where what is still wanted of it ends; the rest was given to others. */
  wantedEnd: number
  /** The next chunk it is to bring. */
  next: number
  progressAt: number
  /** Nothing of it is wanted any more. */
  over: boolean
  /** Somebody else was asked for the same. */
  twice: boolean
}

/** How long the rest of a segment takes at its provider's pace, or at what silence makes of it; 0 when nobody knows. */
export function msLeft({ provider, next, wantedEnd, progressAt }: Asked, now: number): number {
  const left = (wantedEnd - next) * CHUNK_BYTES
  const { rate } = provider.pace
  const silence = now - progressAt
  if (silence < DIVIDE_MS) return rate > 0 ? left / rate : 0
  // What has been silent for so long will be so for as long again.
  return Math.max(silence, left / Math.min(rate || Number.POSITIVE_INFINITY, SEGMENT_BYTES_MIN / silence))
}

/** What a provider has or is about to have. */
export function promised(has: Holding, coming: Uint8Array | undefined): Holding {
  if (has === 'whole' || coming === undefined) return has
  return has.map((byte, index) => byte | (coming[index] ?? 0))
}
