// Sizes and times, so that no bare number needs a comment.

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** Of rates, which people and networks count in powers of ten. */
export const MB = 1_000_000

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

/** `"1.5 KiB"`, `"1.5k"` or `1536` → 1536; nothing for what is no size. Units are powers of 1,024. */
export function parseBytes(text: string | number): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])?i?b?)\s*$/i.exec(String(text))
  if (!match) return undefined
  const bytes = Number(match[1]) * 1024 ** ' kmgt'.indexOf(match[2]?.toLowerCase() ?? ' ')
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined
}

/** `2500000` → `2.5 MB/s`, for people; infinity is `unlimited`. */
export function formatRate(bytesPerSecond: number): string {
  if (bytesPerSecond === Number.POSITIVE_INFINITY) return 'unlimited'
  let value = bytesPerSecond
  let suffix = 0
  while (value >= 1000 && suffix < RATE_SUFFIXES.length - 1) {
    value /= 1000
    suffix++
  }
  return `${Number(value.toFixed(value < 10 ? 2 : 1))} ${RATE_SUFFIXES[suffix]}/s`
}

const RATE_SUFFIXES = ['B', 'kB', 'MB', 'GB', 'TB']
const RATE = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b|bytes?|bits?)?\s*(?:\/\s*s|ps)?\s*$/i

/**
 * `"10 MB/s"`, `"8 Mbit/s"`, `"1 MiB/s"`, `"unlimited"` or a number of bytes → bytes a second, infinity for no limit;
 * nothing for what is no rate. Units are powers of 1,000, of 1,024 with an `i`. 8 bits are a byte, and a rate is at
 * least one.
 */
export function parseRate(text: string | number): number | undefined {
  if (/^\s*(?:unlimited|infinity)\s*$/i.test(String(text))) return Number.POSITIVE_INFINITY
  const [, number, prefix = '', binary, unit = ''] = RATE.exec(String(text)) ?? []
  if (number === undefined || (binary && !prefix)) return undefined
  const factor = (binary ? 1024 : 1000) ** ' kmgt'.indexOf(prefix.toLowerCase() || ' ')
  const rate = Math.round((Number(number) * factor) / (/^bits?$/i.test(unit) ? 8 : 1))
  return rate >= 1 && Number.isSafeInteger(rate) ? rate : undefined
}
