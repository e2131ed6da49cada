// Sizes and times, so that no bare number needs a comment.

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

export const SECOND_MS = 1000
export const MINUTE_MS = 60 * SECOND_MS

const SUFFIXES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `1536` → `1.5 KiB`, for people. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let suffix = 0
  while (value >= 1024 && suffix < SUFFIXES.length - 1) {
    value /= 1024
    suffix++
  }
  return `${suffix === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${SUFFIXES[suffix]}`
}
