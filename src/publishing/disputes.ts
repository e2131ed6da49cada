// Conflicts for people: which records compete, what the user's rules choose among them, and choosing by hand. Nothing
// that loses is removed: it is listed here with all that proves who signed it.
import { equalBytes, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { chosenOf, ofOwners, type Policy } from '../model/conflict.ts'
import { countingNotice, isNoticeKind, purlOfSubject } from '../model/notice.ts'
import { formatPurl, type PackageName, type Purl, parsePurl, parseVersionedPurl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Release } from '../model/release.ts'
import type { Pins } from '../store/pins.ts'
import type { Records, Submission } from '../store/records.ts'
import type { Judgement } from '../trust/judgement.ts'
import type { LocalPublisher } from '../trust/publishers.ts'
import type { Shares } from '../trust/shares.ts'
import { allowedOf, isOfOrigin } from '../trust/view.ts'

interface Components {
  records: Records
  shares: Shares
  pins: Pins
  judgement: Judgement
  publisher: LocalPublisher
}

export interface Conflict {
  /** Of the name where several publishers claim it, of the release where one contradicts itself, else of the notice. */
  readonly subject: string
  /** `publishers` that claim one name; a `contradiction` of one publisher: two records that say they are the same. */
  readonly kind: 'publishers' | 'contradiction'
  readonly policy: Policy
  /**
   * What decides: a pin of this user's, the outside registry, the policy, a resolution, or the rule of the smaller
   * record id, for notices; `nothing` leaves it open.
   */
  readonly by: 'pin' | 'registry' | 'policy' | 'resolution' | 'rule' | 'nothing'
  /** Record ids in hexadecimal, of what counts. */
  readonly chosen: readonly string[]
  readonly candidates: readonly Competitor[]
}

/** A record that competes, with what proves who signed it. */
export interface Competitor {
  readonly record: string
  readonly publisher: string
  readonly kind: string
  readonly subject: string
  readonly at: string
  readonly signatures: readonly { readonly key: string; readonly value: string }[]
  /** What was signed, in hexadecimal. */
  readonly signed: string
}

export class Disputes {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** All conflicts, those of a name, or those of a release; every record is looked at. */
  *list(about?: Purl): Generator<Conflict> {
    const { records } = this.#components
    const claimants = new Map<string, Set<string>>()
    const told = new Set<string>()
    for (const { kind, signer, subject, ids } of records.claims()) {
      const name = nameIn(subject)
      if (!name || (about && !isAbout(name, about))) continue
      if (ids.length > 1) {
        // The same two may stand on several shelves.
        const which = ids.map(toHex).sort().join()
        if (!told.has(which)) yield this.#contradiction(name, kind, ids)
        told.add(which)
      }
      // What this node says for itself alone claims nothing.
      if ((kind !== 'release' && kind !== 'origin') || signer.startsWith('node:')) continue
      const key = formatPurl({ type: name.type, name: name.name })
      claimants.set(key, (claimants.get(key) ?? new Set()).add(signer))
    }
    for (const [key, signers] of claimants) if (signers.size > 1) yield this.#claim(parsePurl(key))
  }

  /**
   * Choose by hand between releases of one version that their publisher signed.
   *
   * @param record - its id, or the beginning of it, in hexadecimal
   * @throws CatalogError `NOT_FOUND`
   */
  async resolve(purl: string, record: string): Promise<Release> {
    const release = this.#release(purl, record)
    await this.#say('resolution', release, 'private')
    return release
  }

  /**
   * Attest that a release is what it says it is, for all who name this node's publisher as an attester.
   *
   * @param record - as in `resolve`; the only one there is by default
   * @throws CatalogError `NOT_FOUND`, `UNTRUSTED` when there are several, `REFUSED` for one that is not public
   */
  async attest(purl: string, record = ''): Promise<Release> {
    const release = this.#release(purl, record)
    if (!this.#components.shares.isPublic(release)) {
      throw new CatalogError('REFUSED', `${release.purl} is not public: to attest it would tell of it.`)
    }
    await this.#say('attestation', release, 'public')
    return release
  }

  #release(text: string, record: string): Release {
    const { records } = this.#components
    const purl = parseVersionedPurl(text)
    const all = records.releases(purl, purl.version)
    const meant = all.filter((release) => toHex(release.record.id).startsWith(record.toLowerCase()))
    const [only, ...others] = meant
    if (only && others.length === 0) return only
    const code = only ? 'UNTRUSTED' : 'NOT_FOUND'
    const known = all.map((release) => toHex(release.record.id))
    throw new CatalogError(code, `${meant.length} releases of ${text} have a record id that begins with "${record}".`, {
      hint: known.length === 0 ? 'None is known here.' : `Known here: ${known.join(', ')}.`,
    })
  }

  async #say(kind: 'attestation' | 'resolution', release: Release, audience: 'public' | 'private'): Promise<void> {
    const { records, publisher, judgement } = this.#components
    const { signer, documents } = await publisher.identity()
    const [before] = records.slot(audience, signer, kind, release.purl)
    const seq = (before?.statement.seq ?? 0) + 1
    const record = await publisher.sign({ kind, subject: release.purl, seq, body: { release: release.record.id } })
    const submissions: Submission[] = [...documents, record].map((each) => ({ record: each, audience }))
    await records.admitAll(submissions)
    judgement.owner = signer
  }

  #contradiction(name: Purl, kind: string, ids: readonly Uint8Array[]): Conflict {
    const { records, judgement } = this.#components
    const judging = judgement.of(name)
    const all = ids.flatMap((id) => records.get(id) ?? [])
    const releases = ids.flatMap((id) => records.release(id) ?? [])
    if (isNoticeKind(kind)) return this.#ofNotices(all, judging.policy)
    const chosen = chosenOf(releases, judging)
    const resolved = chosen && judging.resolved(chosen.purl)
    const isByHand = resolved !== undefined && chosen !== undefined && equalBytes(resolved, chosen.record.id)
    return {
      subject: all[0]?.statement.subject ?? formatPurl(name),
      kind: 'contradiction',
      policy: judging.policy,
      by: chosen ? (isByHand ? 'resolution' : 'policy') : 'nothing',
      chosen: chosen ? [toHex(chosen.record.id)] : [],
      candidates: all.map(competitor),
    }
  }

  /** Of tags, deprecations and withdrawals one always counts: by a rule that needs nobody, or by the policy. */
  #ofNotices(all: readonly CatalogRecord[], policy: Policy): Conflict {
    const chosen = countingNotice(all, policy)
    const isMerged = policy === 'merge' && chosen?.statement.kind !== 'tag'
    return {
      subject: chosen?.statement.subject ?? '',
      kind: 'contradiction',
      policy,
      by: policy === 'newest' || isMerged ? 'policy' : 'rule',
      chosen: isMerged ? all.map(({ id }) => toHex(id)) : chosen ? [toHex(chosen.id)] : [],
      candidates: all.map(competitor),
    }
  }

  /** By each publisher the release that it signed last. */
  #claim(name: PackageName): Conflict {
    const { records, pins, judgement } = this.#components
    const judging = judgement.of(name)
    const releases = records.releases(name).filter(({ record }) => !record.signer.startsWith('node:'))
    const pin = pins.get(name)
    const allowed = allowedOf(releases, pin)
    const isRegistrys = !pin && allowed.some(isOfOrigin)
    const chosen = pin || isRegistrys ? allowed : ofOwners(allowed, judging)
    const by = chosen.length === 0 ? 'nothing' : pin ? 'pin' : isRegistrys ? 'registry' : 'policy'
    const newest = (all: readonly Release[]) => all.reduce((a, b) => (atOf(b) > atOf(a) ? b : a))
    const candidates = [...Map.groupBy(releases, ({ record }) => record.signer).values()].map(newest)
    return {
      subject: formatPurl(name),
      kind: 'publishers',
      policy: judging.policy,
      by,
      chosen: candidates
        .filter(({ record }) => chosen.some((one) => one.record.signer === record.signer))
        .map(({ record }) => toHex(record.id)),
      candidates: candidates.map(({ record }) => competitor(record)),
    }
  }
}

function competitor({ id, signer, statement, signatures, signed }: CatalogRecord): Competitor {
  return {
    record: toHex(id),
    publisher: signer,
    kind: statement.kind,
    subject: statement.subject,
    at: new Date(statement.at).toISOString(),
    signatures: signatures.map(({ key, value }) => ({ key: toHex(key), value: toHex(value) })),
    signed: toHex(signed),
  }
}

function atOf({ record }: Release): number {
  return record.statement.at
}

function isAbout(name: Purl, about: Purl): boolean {
  if (name.type !== about.type || name.name !== about.name) return false
  return about.version === undefined || name.version === about.version
}

function nameIn(subject: string): Purl | undefined {
  try {
    return purlOfSubject(subject)
  } catch {
    return undefined // what this build does not know may have any subject
  }
}
