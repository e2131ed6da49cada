// What a publisher says of the releases of a package (`model/notice.ts`), from the records here: tags, deprecations and
// withdrawals. Kept at hand until one of that package comes or goes.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import { NOTICES_CACHED_MAX, TAGS_MAX, VERSIONS_MAX } from '../base/limits.ts'
import type { Audience } from '../model/audience.ts'
import type { Policy } from '../model/conflict.ts'
import {
  countingNotice,
  isNoticeKind,
  NOTICE_KINDS,
  type NoticeKind,
  noticePackage,
  noticeVersion,
  settledNotice,
  tagPrefix,
} from '../model/notice.ts'
import { formatPurl, type PackageName, packageKey } from '../model/purl.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Release } from '../model/release.ts'
import type { Records } from '../store/records.ts'

/** All that counts of one package and publisher. */
export interface PackageNotices {
  /** Versions by tag, as they were said: there need be no such release. */
  readonly tags: ReadonlyMap<string, string>
  /** By version, why not to use it. */
  readonly deprecated: ReadonlyMap<string, string>
  /** By version, the reason that was given, which may be empty. */
  readonly withdrawn: ReadonlyMap<string, string>
  /** The records that say so, also those that only take back what was said before. */
  readonly records: readonly CatalogRecord[]
}

type Texts = Map<string, string>

export const NO_NOTICES: PackageNotices = { tags: new Map(), deprecated: new Map(), withdrawn: new Map(), records: [] }

export class Notices {
  readonly #records: Records
  /** What decides between two of one number. */
  readonly #policyOf: (name: PackageName) => Policy
  /** By package and publisher: what is said on all shelves, and what on the public one. */
  readonly #known = new LRUCache<string, Map<string, PackageNotices>>({ max: NOTICES_CACHED_MAX })
  /** Whether a publisher has any: most have none, and nothing has to be looked for. */
  readonly #speaks = new LRUCache<string, boolean>({ max: NOTICES_CACHED_MAX })

  constructor({ records }: { records: Records }, policyOf: (name: PackageName) => Policy = () => 'manual') {
    this.#records = records
    this.#policyOf = policyOf
    records.onChange((changes) => {
      for (const { kind, signer, subject } of changes) {
        if (!isNoticeKind(kind)) continue
        this.#speaks.delete(signer)
        this.#known.delete(packageKey(noticePackage(subject), signer))
      }
    })
  }

  /** @param audiences - whose shelves are read; all that are here by default */
  of(name: PackageName, signer: string, audiences?: readonly Audience[]): PackageNotices {
    if (!this.#isSpeaking(signer)) return NO_NOTICES
    if (audiences && audiences.join() !== 'public') return this.#read(name, signer, audiences)
    const key = packageKey(name, signer)
    const known = this.#known.get(key) ?? new Map<string, PackageNotices>()
    this.#known.set(key, known)
    const scope = audiences ? 'public' : 'all'
    const notices = known.get(scope) ?? this.#read(name, signer, audiences ?? this.#records.audiencesOf(signer))
    known.set(scope, notices)
    return notices
  }

  /** The records that count for a release. @param audiences - as in `of` */
  about({ body, record }: Release, audiences?: readonly Audience[]): readonly CatalogRecord[] {
    const { records } = this.of(body, record.signer, audiences)
    return records.filter((notice) => noticeVersion(notice) === body.version)
  }

  isWithdrawn({ body, record }: Release): boolean {
    return this.of(body, record.signer).withdrawn.has(body.version)
  }

  /** The record that counts for a subject, on whatever shelf. */
  latest(signer: string, kind: NoticeKind, subject: string): CatalogRecord | undefined {
    return this.#latest(signer, kind, subject, this.#records.audiencesOf(signer))
  }

  #latest(
    signer: string,
    kind: NoticeKind,
    subject: string,
    audiences: readonly Audience[],
  ): CatalogRecord | undefined {
    return countingNotice(this.#said(signer, kind, subject, audiences), this.#policyOf(noticePackage(subject)))
  }

  /** Each record once: a notice may stand on several shelves. */
  #said(signer: string, kind: NoticeKind, subject: string, audiences: readonly Audience[]): CatalogRecord[] {
    const all = audiences.flatMap((audience) => this.#records.slot(audience, signer, kind, subject))
    return [...new Map(all.map((record) => [toHex(record.id), record])).values()]
  }

  #read({ type, name }: PackageName, signer: string, audiences: readonly Audience[]): PackageNotices {
    const counting = (kind: NoticeKind, prefix: string, most: number) => {
      const subjects = new Set<string>()
      for (const audience of audiences) {
        for (const subject of this.#records.subjects(audience, signer, kind, prefix)) {
          if (subjects.size >= most) break
          subjects.add(subject)
        }
      }
      return [...subjects].map((subject) => this.#said(signer, kind, subject, audiences))
    }
    const ofReleases = `${formatPurl({ type, name })}@`
    const policy = this.#policyOf({ type, name })
    const said = [
      ...counting('tag', tagPrefix({ type, name }), TAGS_MAX),
      ...counting('deprecation', ofReleases, VERSIONS_MAX),
      ...counting('withdrawal', ofReleases, VERSIONS_MAX),
    ]
    const [tags, deprecated, withdrawn] = [0, 1, 2].map(() => new Map<string, string>()) as [Texts, Texts, Texts]
    for (const notice of said.flatMap((all) => settledNotice(all, policy) ?? [])) {
      const { kind, tag, version, message, about } = notice
      if (kind === 'tag' && tag !== undefined && version !== undefined) tags.set(tag, version)
      if (kind === 'deprecation' && about.version !== undefined && message !== '') {
        deprecated.set(about.version, message)
      }
      if (notice.withdrawn && about.version !== undefined) withdrawn.set(about.version, message)
    }
    return { tags, deprecated, withdrawn, records: said.flatMap((all) => countingNotice(all, policy) ?? []) }
  }

  #isSpeaking(signer: string): boolean {
    const known = this.#speaks.get(signer)
    if (known !== undefined) return known
    const audiences = this.#records.audiencesOf(signer)
    const speaks = audiences.some((audience) => NOTICE_KINDS.some((kind) => this.#hasAny(audience, signer, kind)))
    this.#speaks.set(signer, speaks)
    return speaks
  }

  #hasAny(audience: Audience, signer: string, kind: NoticeKind): boolean {
    for (const _ of this.#records.subjects(audience, signer, kind)) return true
    return false
  }
}
