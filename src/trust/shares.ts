// What the shares here say of a release: those of its signer on every shelf, held against each other by the rule of
// `model/permission.ts`. Kept at hand until a share comes or goes that says more of them.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { SHARE_GLOBS_MAX, SHARES_CACHED_RELEASES_MAX, SHARES_CACHED_SIGNERS_MAX } from '../base/limits.ts'
import type { Audience } from '../model/audience.ts'
import { GLOB_PREFIX } from '../model/glob.ts'
import { NPM_ORIGIN } from '../model/origin.ts'
import { type EnforcedPermission, type Grant, grantAt, grantedBy, PUBLIC, sharesOf } from '../model/permission.ts'
import type { Purl } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Release } from '../model/release.ts'
import type { Records } from '../store/records.ts'

/** What is at hand of a signer. */
interface Known {
  readonly globs: readonly CatalogRecord[]
  /** By purl of the release. */
  readonly grants: LRUCache<string, Grant>
}

export class Shares {
  readonly #records: Records
  readonly #clock: Clock
  readonly #known = new LRUCache<string, Known>({ max: SHARES_CACHED_SIGNERS_MAX })

  constructor({ records, clock }: { records: Records; clock: Clock }) {
    this.#records = records
    this.#clock = clock
    records.onChange((changes) => {
      for (const { kind, signer, subject } of changes) if (kind === 'share') this.#forget(signer, subject)
    })
  }

  #forget(signer: string, subject: string): void {
    if (subject.startsWith(GLOB_PREFIX)) this.#known.delete(signer)
    else this.#known.get(signer)?.grants.delete(subject)
  }

  /** Newest share of one subject, on whatever shelf. */
  latest(signer: string, subject: string): CatalogRecord | undefined {
    return this.#slots(signer, subject, this.#records.audiencesOf(signer)).reduce<CatalogRecord | undefined>(
      (newest, share) => ((share.statement.seq ?? 0) > (newest?.statement.seq ?? -1) ? share : newest),
      undefined,
    )
  }

  /** Who is let in now. */
  grantOf(release: Release): Grant {
    // What a registry gives to everybody, whoever asked it.
    if (release.record.signer === NPM_ORIGIN) return PUBLIC
    const known = this.#of(release.record.signer)
    let grant = known.grants.get(release.purl)
    if (!grant) {
      grant = grantedBy(this.#counting(release.record.signer, release.purl, release.body, known.globs))
      known.grants.set(release.purl, grant)
    }
    return grantAt(grant, this.#clock.now())
  }

  permissionOf(release: Release): EnforcedPermission {
    return this.grantOf(release).permission
  }

  /** Whether any peer may see and have this release. */
  isPublic(release: Release): boolean {
    return this.permissionOf(release) === 'public' && this.#records.isOn('public', release.record)
  }

  /** Whether any peer may know that this release exists. */
  isKnown(release: Release): boolean {
    const { permission, known } = this.grantOf(release)
    return (permission === 'public' || known) && this.#records.isOn('public', release.record)
  }

  /** What the globs of a publisher say of a name that it has not shared by itself; undefined when none is about it. */
  coveringGrant(signer: string, name: Purl): Grant | undefined {
    const shares = sharesOf(name, this.#of(signer).globs)
    return shares.length === 0 ? undefined : grantAt(grantedBy(shares), this.#clock.now())
  }

  /** All shares of a publisher that are by glob. */
  globsOf(signer: string): readonly CatalogRecord[] {
    return this.#of(signer).globs
  }

  /** The records that count for a release, as far as they stand on shelves for these audiences. */
  shown(release: Release, audiences: readonly Audience[]): readonly CatalogRecord[] {
    const { signer } = release.record
    const [counting] = this.#counting(signer, release.purl, release.body, this.#of(signer).globs)
    if (!counting) return []
    return sharesOf(release.body, this.#slots(signer, counting.statement.subject, audiences))
  }

  #of(signer: string): Known {
    const known = this.#known.get(signer)
    if (known) return known
    const made = {
      globs: this.#globs(signer),
      grants: new LRUCache<string, Grant>({ max: SHARES_CACHED_RELEASES_MAX }),
    }
    this.#known.set(signer, made)
    return made
  }

  #counting(signer: string, purl: string, name: Purl, globs: readonly CatalogRecord[]): readonly CatalogRecord[] {
    return sharesOf(name, [...this.#slots(signer, purl, this.#records.audiencesOf(signer)), ...globs])
  }

  #slots(signer: string, subject: string, audiences: readonly Audience[]): CatalogRecord[] {
    return audiences.flatMap((audience) => this.#records.slot(audience, signer, 'share', subject))
  }

  /** Shares by glob; of more than count, at least so many that it shows. */
  #globs(signer: string): CatalogRecord[] {
    const subjects = new Set<string>()
    const audiences = this.#records.audiencesOf(signer)
    for (const audience of audiences) {
      for (const subject of this.#records.subjects(audience, signer, 'share', GLOB_PREFIX)) {
        if (subjects.size > SHARE_GLOBS_MAX) break
        subjects.add(subject)
      }
    }
    return [...subjects].flatMap((subject) => this.#slots(signer, subject, audiences))
  }
}
