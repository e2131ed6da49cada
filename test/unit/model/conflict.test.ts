import fc from 'fast-check'
import { test } from 'tap'
import { compareBytes, toHex } from '../../../src/base/bytes.ts'
import { AHEAD_MS_MAX } from '../../../src/base/limits.ts'
import {
  chosenOf,
  conflictRules,
  type Judging,
  ofOwners,
  POLICIES,
  type Policy,
  policyFor,
} from '../../../src/model/conflict.ts'
import { type Release, readRelease } from '../../../src/model/release.ts'
import { publisherOf, releaseOf } from './made.ts'

const PUBLISHERS = [1, 2, 3].map(publisherOf)
const NOW = 1_000_000

/** What somebody signed at a time; another content, another file. */
function signed(by: number, { at = 1, content = 1, version = '1.0.0' } = {}): Release {
  const root = new Uint8Array(32).fill(content)
  const file = { path: 'file.tgz', mediaType: 'application/gzip', size: 3, root, sha256: root }
  const publisher = PUBLISHERS[by]
  if (!publisher) throw new Error('there are three publishers')
  return readRelease(releaseOf(publisher, { artifacts: [file], version, description: `of ${at}` }, { at }))
}

function judging(policy: Policy, changes: Partial<Judging> = {}): Judging {
  return { policy, now: NOW, attesters: 0, attested: () => 0, resolved: () => undefined, ...changes }
}

const idOf = (release: Release | undefined) => release && toHex(release.record.id)

test('each policy chooses by its own rule', async (t) => {
  const [early, late] = [signed(0, { at: 10 }), signed(0, { at: 20, content: 2 })]
  const rivals = [late, early]
  t.equal(chosenOf(rivals, judging('manual')), undefined)
  t.equal(chosenOf(rivals, judging('newest')), late)
  t.equal(chosenOf(rivals, judging('keep-both')), early, 'the first one first')
  t.equal(chosenOf(rivals, judging('merge')), undefined, 'other bytes are no more of the same')
  const again = signed(0, { at: 30 })
  t.equal(chosenOf([again, early], judging('merge')), early)
  const attested = (release: Release) => (release === early ? 2 : 1)
  t.equal(chosenOf(rivals, judging('consensus', { attesters: 3, attested })), early, 'two of three')
  t.equal(chosenOf(rivals, judging('consensus', { attesters: 4, attested })), undefined, 'two of four are no majority')
  t.equal(chosenOf(rivals, judging('consensus')), undefined, 'where nobody is named, nobody decides')
})

test('what the user has chosen goes before every policy, as long as it is there', async (t) => {
  const [one, other] = [signed(0, { at: 10 }), signed(0, { at: 20 })]
  for (const policy of POLICIES) {
    t.equal(chosenOf([one, other], judging(policy, { resolved: () => one.record.id })), one, policy)
  }
  const elsewhere = judging('manual', { resolved: () => new Uint8Array(32) })
  t.equal(chosenOf([one, other], elsewhere), undefined)
})

test('who dates ahead is not the newest before that time', async (t) => {
  const honest = signed(0, { at: NOW })
  const ahead = signed(1, { at: NOW + AHEAD_MS_MAX + 1 })
  t.equal(chosenOf([honest, ahead], judging('newest')), honest)
  t.equal(chosenOf([honest, ahead], judging('newest', { now: NOW + 1 })), ahead)
  t.equal(chosenOf([ahead, ahead], judging('newest')), undefined)
})

test('of several publishers one counts, all, or none', async (t) => {
  const releases = [signed(0, { at: 10 }), signed(1, { at: 20 }), signed(1, { at: 5, version: '2.0.0' })]
  t.strictSame(ofOwners(releases, judging('manual')), [])
  t.strictSame(ofOwners(releases, judging('newest')), releases.slice(1), 'with all that it has signed')
  t.strictSame(ofOwners(releases, judging('keep-both')), releases)
  t.strictSame(ofOwners(releases, judging('merge')), releases)
  t.strictSame(ofOwners(releases.slice(1), judging('manual')), releases.slice(1), 'one alone needs no policy')
})

test('a choice is a function of the set: neither order nor repetition matters', async () => {
  const release = fc
    .record({ by: fc.nat(2), at: fc.nat(2 * NOW), content: fc.integer({ min: 1, max: 3 }) })
    .map(({ by, ...changes }) => signed(by, changes))
  const rivals = fc.uniqueArray(release, { minLength: 1, maxLength: 6, selector: idOf })
  fc.assert(
    fc.property(rivals, fc.constantFrom(...POLICIES), fc.nat(3), (rivals, policy, attesters) => {
      const attested = ({ record }: Release) => (record.id[0] ?? 0) % (attesters + 1)
      const judge = judging(policy, { attesters, attested })
      const sorted = [...rivals].sort((a, b) => compareBytes(a.record.id, b.record.id))
      const owners = (all: readonly Release[]) => new Set(ofOwners(all, judge).map(({ record }) => record.signer))
      // More than half cannot be had by two.
      const isFair = policy !== 'consensus' || rivals.filter((one) => attested(one) * 2 > attesters).length <= 1
      if (!isFair) return true
      const isSame = idOf(chosenOf(rivals, judge)) === idOf(chosenOf(sorted, judge))
      return isSame && [...owners(rivals)].sort().join() === [...owners(sorted)].sort().join()
    }),
    { numRuns: 1_000 },
  )
})

test('rules are for everything, a type, or names, the most specific first', async (t) => {
  const rules = conflictRules(['newest', 'npm=merge', 'npm/@acme/*=keep-both', 'npm/@acme/tool=consensus'], [])
  const policyOf = (type: string, name: string) => policyFor({ type, name }, rules)
  t.equal(policyOf('generic', 'x'), 'newest')
  t.equal(policyOf('npm', 'x'), 'merge')
  t.equal(policyOf('npm', '@acme/x'), 'keep-both')
  t.equal(policyOf('npm', '@acme/tool'), 'consensus')
  t.equal(policyFor({ type: 'npm', name: 'x' }, conflictRules([], [])), 'manual')
  for (const wrong of ['', 'fastest', 'npm=', 'npm/@acme/tool@1.0.0=newest']) {
    t.throws(() => conflictRules([wrong], []), { code: /CONFIG_INVALID|PURL_INVALID/ }, wrong)
  }
})
