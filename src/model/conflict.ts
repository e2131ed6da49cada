// Which of several wins, when records compete: a pure choice by the rule that the user has set. `at` is the signer's
// own word, so what is far ahead of time has to wait; what is attested counts only by those whom the user names.
import { compareBytes, equalBytes } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { AHEAD_MS_MAX } from '../base/limits.ts'
import { GLOB_PREFIX, type Glob, globWeight, matchesGlob, parseGlob, parseSubject } from './glob.ts'
import type { PackageName } from './purl.ts'
import { contentOf, type Release } from './release.ts'

export const POLICIES = ['manual', 'newest', 'consensus', 'merge', 'keep-both'] as const
/**
 * `manual`: only the user chooses. `newest`: what was signed last. `consensus`: what more than half of the named
 * attesters attest. `merge`: what does not contradict each other, together. `keep-both`: all, the first one first.
 */
export type Policy = (typeof POLICIES)[number]

/** What the user has set. */
export interface ConflictRules {
  /** The most specific first; the last one is for everything. */
  readonly rules: readonly { readonly applies: (name: PackageName) => boolean; readonly policy: Policy }[]
  /** Publishers whose attestations count. */
  readonly attesters: ReadonlySet<string>
}

/** What a choice is made from. */
export interface Judging {
  readonly policy: Policy
  readonly now: number
  /** How many publishers are named to attest. */
  readonly attesters: number
  /** How many of them attest a release. */
  attested(release: Release): number
  /** Record id of what the user has chosen of one version. */
  resolved(purl: string): Uint8Array | undefined
}

/**
 * @param texts - a policy for everything; `npm=POLICY` for a type; `npm/@scope/*=POLICY` for names
 * @throws CatalogError `CONFIG_INVALID`
 */
export function conflictRules(texts: readonly string[], attesters: readonly string[]): ConflictRules {
  const rules = texts.map(readRule).sort((a, b) => b.weight - a.weight)
  return { rules: [...rules, { applies: () => true, policy: 'manual' }], attesters: new Set(attesters) }
}

export function policyFor(name: PackageName, { rules }: ConflictRules): Policy {
  return rules.find(({ applies }) => applies(name))?.policy ?? 'manual'
}

interface Rule {
  readonly applies: (name: PackageName) => boolean
  readonly policy: Policy
  readonly weight: number
}

function readRule(text: string): Rule {
  const at = text.lastIndexOf('=')
  const policy = POLICIES.find((one) => one === text.slice(at + 1))
  const pattern = text.slice(0, Math.max(at, 0))
  if (policy === undefined) {
    throw new CatalogError('CONFIG_INVALID', `"${text.slice(0, 120)}" is no rule for conflicts.`, {
      hint: `A rule is one of ${POLICIES.join(', ')}, or has a type or names before it: npm/@scope/*=newest.`,
    })
  }
  if (pattern === '') return { applies: () => true, policy, weight: -2 }
  if (!pattern.includes('/')) return { applies: ({ type }) => type === pattern, policy, weight: -1 }
  const glob = readGlob(pattern)
  return { applies: (name) => matchesGlob(glob, name), policy, weight: globWeight(glob) }
}

function readGlob(pattern: string): Glob {
  const subject = parseSubject(`pkg:${pattern}`)
  const glob = subject.startsWith(GLOB_PREFIX) ? parseGlob(subject) : undefined
  if (glob) return glob
  throw new CatalogError('CONFIG_INVALID', `"${pattern.slice(0, 120)}" are no names: a rule is about all versions.`)
}

/**
 * The releases of whom of several publishers count.
 *
 * @param releases - of one name, of all publishers that the user's pins allow
 * @returns all of them where several may count; none where it is for the user to say
 */
export function ofOwners(releases: readonly Release[], judging: Judging): readonly Release[] {
  const bySigner = Map.groupBy(releases, ({ record }) => record.signer)
  if (bySigner.size <= 1) return releases
  const { policy } = judging
  if (policy === 'keep-both' || policy === 'merge') return releases
  const best = chosenOf(releases, judging)
  return best && policy !== 'manual' ? (bySigner.get(best.record.signer) ?? []) : []
}

/** Which of several releases is meant; undefined where it is for the user to say. */
export function chosenOf(rivals: readonly Release[], judging: Judging): Release | undefined {
  const [only, ...others] = rivals
  if (others.length === 0) return only
  const resolved = only && judging.resolved(only.purl)
  const chosen = resolved && rivals.find(({ record }) => equalBytes(record.id, resolved))
  return chosen ?? CHOICES[judging.policy](rivals, judging)
}

const CHOICES: Record<Policy, (rivals: readonly Release[], judging: Judging) => Release | undefined> = {
  manual: () => undefined,
  newest: (rivals, { now }) => last(rivals.filter(({ record }) => record.statement.at <= now + AHEAD_MS_MAX)),
  consensus: (rivals, { attested, attesters }) => rivals.find((release) => attested(release) * 2 > attesters),
  merge: (rivals) => (rivals.every((release) => sameContent(release, rivals[0])) ? first(rivals) : undefined),
  'keep-both': first,
}

function last(releases: readonly Release[]): Release | undefined {
  return [...releases].sort((a, b) => atOf(b) - atOf(a) || compareBytes(a.record.id, b.record.id))[0]
}

function first(releases: readonly Release[]): Release | undefined {
  return [...releases].sort((a, b) => atOf(a) - atOf(b) || compareBytes(a.record.id, b.record.id))[0]
}

function atOf({ record }: Release): number {
  return record.statement.at
}

/** Two that name the same bytes say the same of what is installed. */
function sameContent(release: Release, other: Release | undefined): boolean {
  const [a, b] = [contentOf(release), other ? contentOf(other) : []]
  return a.length === b.length && a.every(({ root }, index) => equalBytes(root, b[index]?.root ?? new Uint8Array(0)))
}
