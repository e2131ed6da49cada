// Versions of generic packages: semver where the publisher uses it, anything sensible (`2024-03-01`, `r12`, `1.2`)
// where not. A project may mix both, so there is one order over all of them, and it agrees with semver's.
import semver from 'semver'

/**
 * A total order; zero only for equal texts. First the leading numbers (`1.10` after `1.9`, `1.0` beside `1.0.0`), then
 * versions that are not semver before those that are, then the order of their own kind.
 */
export function compareGenericVersions(a: string, b: string): number {
  const byRelease = compareLists(releaseNumbers(a), releaseNumbers(b), compareNumbers)
  if (byRelease !== 0) return byRelease
  const semverA = isSemver(a)
  const semverB = isSemver(b)
  if (semverA !== semverB) return semverA ? 1 : -1
  const byKind = semverA ? semver.compareBuild(a, b) : compareLists(tokens(a), tokens(b), compareTokens)
  return byKind !== 0 ? byKind : compareTexts(a, b)
}

/** Only semver says what a pre-release is; `2024-03-01` is none. */
export function isGenericPrerelease(version: string): boolean {
  return isSemver(version) && semver.prerelease(version) !== null
}

export function satisfiesGeneric(version: string, range: string): boolean {
  const wanted = range.trim()
  if (wanted === version) return true
  if (wanted === '' || wanted === '*' || wanted === 'latest') return !isGenericPrerelease(version)
  return isSemver(version) && wanted.length <= 256 && semver.satisfies(version, wanted)
}

/** Strictly: `v1.0.0`, which semver would tidy up, counts as plain text. */
function isSemver(version: string): boolean {
  const parsed = semver.parse(version)
  return parsed !== null && parsed.raw === version && /^[0-9]/.test(version)
}

/** `1.10.0-rc.1` → 1, 10. Zeros at the end mean nothing. */
function releaseNumbers(version: string): string[] {
  const numbers = /^\d+(?:\.\d+)*(?![0-9A-Za-z])/.exec(version)?.[0].split('.') ?? []
  while (numbers.length > 0 && /^0*$/.test(numbers.at(-1) ?? '')) numbers.pop()
  return numbers
}

function tokens(version: string): string[] {
  return version.match(/\d+|[A-Za-z]+/g) ?? []
}

function compareLists(a: string[], b: string[], compare: (a: string, b: string) => number): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i] ?? '', b[i] ?? '')
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** Numbers before words, and each among themselves. */
function compareTokens(a: string, b: string): number {
  const numberA = /^\d/.test(a)
  const numberB = /^\d/.test(b)
  if (numberA !== numberB) return numberA ? -1 : 1
  return numberA ? compareNumbers(a, b) : compareTexts(a, b)
}

/** Decimal digits of any length, without rounding. */
function compareNumbers(a: string, b: string): number {
  const shortA = a.replace(/^0+/, '')
  const shortB = b.replace(/^0+/, '')
  return shortA.length - shortB.length || compareTexts(shortA, shortB)
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
