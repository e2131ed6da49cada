// Sizes and times, so that no bare number needs a comment.

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

export const SECOND_MS = 1000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

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

/** `"1.5 KiB"`, `"1.5k"` or `1536` → 1536; nothing for what is no size. Units are powers of 1,024. */
export function parseBytes(text: string | number): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])?i?b?)\s*$/i.exec(String(text))
  if (!match) return undefined
  const bytes = Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2]?.toLowerCase() ?? ' ')
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined
}

const TIMES = new Map([
  ['s', SECOND_MS],
  ['m', MINUTE_MS],
  ['h', HOUR_MS],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
])

/** `"30d"` or `"90 m"` → milliseconds; nothing for what is no time. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^\s*(\d{1,9})\s*([smhdw])\s*$/.exec(text) ?? []
  const each = TIMES.get(unit)
  return each === undefined ? undefined : Number(count) * each
}
