// Keeps the text index up with the records: follows the change feed, and after a crash replays what the index had not
// committed. The index is a cache; deleting its folder costs a rebuild and nothing else.
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'
import { type Audience, audiencesOf } from '../model/audience.ts'
import { type Glob, matchesGlob, parseGlob } from '../model/glob.ts'
import { isNoticeKind, NOTICE_KINDS, noticePackage } from '../model/notice.ts'
import { ORIGIN_KIND } from '../model/origin.ts'
import { type PackageName, packageKey, parsePurl } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import type { PackageType } from '../package-types/package-type.ts'
import type { Change, Records } from '../store/records.ts'
import type { Notices } from '../trust/notices.ts'
import type { Shares } from '../trust/shares.ts'
import { newest } from '../trust/view.ts'
import type { Changed } from './cache.ts'
import type { IndexFreshness } from './federation.ts'
import type { IndexDocument, Scored, TextIndex } from './native-index.ts'
import type { Popularity } from './popularity.ts'

/** Changes gathered into one commit of the index. */
const BATCH_CHANGES = 1_000
/** Changes after which the index is compacted: each commit leaves a segment, and a search looks into each. */
const COMPACT_CHANGES = 20_000
/** Time a change may wait for others before the index commits: far below the 500 ms promised. */
const COMMIT_DELAY_MS = 50

/** Kinds of records that change what is found of a package. */
const CHANGING_KINDS: ReadonlySet<string> = new Set(['release', 'share', ORIGIN_KIND, ...NOTICE_KINDS])

interface Components {
  index: TextIndex
  records: Records
  shares: Shares
  notices: Notices
  clock: Clock
  popularity: Pick<Popularity, 'given'>
  /** What was found before. */
  answers: { changed(changed: Changed): Promise<void> }
  /** Types this build knows; releases of others are kept, but cannot be found. */
  packageType: (type: string) => PackageType | undefined
}

export class Indexer {
  readonly #components: Components
  #stopListening: (() => void) | undefined
  #cancelTimer: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #sinceCompacted = 0
  /** When it last took in something public. */
  #changedAt: number | undefined

  constructor(components: Components) {
    this.#components = components
    components.index.onEmptied(() => void this.settle())
  }

  /** Replay what is missing, then follow. */
  async start(): Promise<void> {
    const { records, index } = this.#components
    // A feed behind the index means another store: nothing in the index can be believed.
    if (index.committedSequence() > records.lastSequence()) {
      throw new CatalogError('SEARCH_INDEX', 'The search index is ahead of the store.', {
        hint: 'Delete the folder "search" in the data directory; it is rebuilt from the records.',
      })
    }
    await this.#catchUp()
    this.#stopListening = records.onChange(() => {
      this.#cancelTimer ??= this.#components.clock.after(COMMIT_DELAY_MS, () => {
        this.#cancelTimer = undefined
        void this.settle()
      })
    })
  }

  /** How far the index is behind the public records, up to a batch of them: of others peers hear nothing. */
  freshness(): IndexFreshness {
    const { records, index } = this.#components
    const behind = records.changesAfter(index.committedSequence(), BATCH_CHANGES).filter(isPublic).length
    return { behind, ...(this.#changedAt === undefined ? {} : { at: this.#changedAt }) }
  }

  /** Resolves when every change made so far can be found. */
  settle(): Promise<void> {
    return this.#inTurn(() => this.#catchUp())
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#running = this.#running.then(work).catch((thrown) => tellFailure('index', thrown))
    return this.#running
  }

  /** Index packages anew although their records have not changed. No answer goes for it: each is but a little older. */
  refresh(names: readonly PackageName[]): Promise<void> {
    const { records, index } = this.#components
    const packages = names.flatMap((name) => {
      const signers = new Set(records.releases(name).map(({ record }) => record.signer))
      return [...signers].map((signer) => ({ name, signer }))
    })
    return this.#inTurn(async () => {
      const { upserts } = this.#documents(packages)
      if (upserts.length > 0) await index.apply(upserts, [], index.committedSequence())
      this.#sinceCompacted += upserts.length
    })
  }

  async stop(): Promise<void> {
    this.#stopListening?.()
    this.#cancelTimer?.()
    await this.#running
  }

  async #catchUp(): Promise<void> {
    const { records, index, answers, clock } = this.#components
    for (;;) {
      const changes = records.changesAfter(index.committedSequence(), BATCH_CHANGES)
      const last = changes.at(-1)
      if (!last) break
      this.#sinceCompacted += changes.length
      const batches = inBatches(this.#packagesOf(changes))
      for (const [at, packages] of batches.entries()) {
        const { upserts, deletes } = this.#documents(packages)
        // Only the last batch says that the changes are covered: after a crash all of them are replayed.
        const sequence = at === batches.length - 1 ? last.sequence : index.committedSequence()
        await index.apply(upserts, deletes, sequence)
        await answers.changed({
          packages: packages.map(({ name, signer }) => packageKey(name, signer)),
          documents: upserts,
        })
      }
      if (changes.some(isPublic)) this.#changedAt = Math.floor(clock.now())
    }
    if (this.#sinceCompacted < COMPACT_CHANGES) return
    await index.compact()
    this.#sinceCompacted = 0
  }

  #documents(packages: readonly PublisherPackage[]): { upserts: IndexDocument[]; deletes: string[] } {
    const { records, notices, popularity, packageType } = this.#components
    const upserts: IndexDocument[] = []
    const deletes: string[] = []
    for (const { name, signer } of packages) {
      const type = packageType(name.type)
      const releases = records.releases(name).filter(({ record }) => record.signer === signer)
      const said = notices.of(name, signer)
      const seen = releases.map((release) => ({ release, audiences: this.#seenBy(release) }))
      for (const audience of new Set<Audience>(['private', ...records.audiencesOf(signer)])) {
        const visible = seen.filter(({ audiences }) => audiences.includes(audience)).map(({ release }) => release)
        const best = type && newest(visible, type, said)
        const key = formatKey(audience, name, signer)
        if (best) upserts.push(document(key, audience, best, popularity.given(name)))
        else deletes.push(key)
      }
    }
    return { upserts, deletes }
  }

  /** Under which audiences a release can be found. What is not for everybody is `private` too, for this node's user. */
  #seenBy(release: Release): Audience[] {
    const { records, shares } = this.#components
    if (shares.isKnown(release)) return ['public']
    const others = audiencesOf(shares.grantOf(release)).filter((audience) => audience !== 'public')
    return ['private', ...others.filter((audience) => records.isOn(audience, release.record))]
  }

  /** Packages whose releases, or the shares or notices of them, have changed; a glob is about each that it matches. */
  #packagesOf(changes: readonly Change[]): PublisherPackage[] {
    const { records } = this.#components
    const packages = new Map<string, PublisherPackage>()
    const add = (name: PackageName, signer: string) => packages.set(formatKey('public', name, signer), { name, signer })
    const globs = new Map<string, Glob[]>()
    for (const { kind, subject, signer } of changes) {
      if (!CHANGING_KINDS.has(kind)) continue
      const name = isNoticeKind(kind) ? noticePackage(subject) : packageOf(subject)
      if (name) add(name, signer)
      const glob = parseGlob(subject)
      if (glob) globs.set(signer, [...(globs.get(signer) ?? []), glob])
    }
    for (const [signer, matching] of globs) {
      for (const audience of records.audiencesOf(signer)) {
        for (const subject of records.subjects(audience, signer, 'release')) {
          const name = packageOf(subject)
          if (name && matching.some((glob) => matchesGlob(glob, name))) add(name, signer)
        }
      }
    }
    return [...packages.values()]
  }
}

function isPublic({ audience }: Change): boolean {
  return audience === 'public'
}

interface PublisherPackage {
  readonly name: PackageName
  readonly signer: string
}

/** At least one, though it be empty. */
function inBatches<T>(all: readonly T[]): T[][] {
  const batches = Math.max(1, Math.ceil(all.length / BATCH_CHANGES))
  return Array.from({ length: batches }, (_, i) => all.slice(i * BATCH_CHANGES, (i + 1) * BATCH_CHANGES))
}

/** A share's subject need not be a purl of a package this build knows. */
function packageOf(subject: string): PackageName | undefined {
  try {
    const { type, name } = parsePurl(subject)
    return { type, name }
  } catch {
    return undefined // admission lets every subject pass; only purls can be found
  }
}

function formatKey(audience: Audience, name: PackageName, signer: string): string {
  return `${audience}\n${packageKey(name, signer)}`
}

function document(key: string, audience: Audience, release: Release, popularity: number): IndexDocument {
  return { key, payload: release.record.id, audience, scored: textOfRelease(release, popularity) }
}

/** What brings packages together that depend on the same one; no query can filter by it. */
export function dependencyLabel({ type, name }: PackageName): string {
  return `needs:${type}/${name}`
}

/** What of a release is searched, filtered and scored. @param popularity - of its package */
export function textOfRelease({ record, body }: Release, popularity: number): Scored {
  const { type, name, description, keywords, tags, category, license, dependencies } = body
  const labels = [
    `type:${type}`,
    // A signer names its kind already: `publisher:` and its id.
    record.signer,
    ...(license ? [`license:${license}`] : []),
    ...(category ? [`category:${category}`] : []),
    ...tags.map((tag) => `tag:${tag}`),
    ...keywords.map((keyword) => `keyword:${keyword}`),
    ...dependencies.map(dependencyLabel),
  ]
  const searched = [...keywords, ...tags, ...(category ? [category] : [])]
  return { name, description, labels, keywords: searched, popularity, published: record.statement.at }
}
