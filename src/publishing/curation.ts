// What a publisher says of its releases afterwards: which version a tag names, that a release should not be used any
// more, that it is taken back. Each is signed and put onto the shelves of the releases that it is about, and of them
// alone: who may not see a release is not told of it by a tag either.
import { CatalogError } from '../base/errors.ts'
import { ANNOUNCEMENTS_PER_MINUTE, TAGS_MAX } from '../base/limits.ts'
import { Turns } from '../base/turns.ts'
import { type Audience, shelvesOf } from '../model/audience.ts'
import { LATEST, type NoticeKind, readNotice, tagSubject } from '../model/notice.ts'
import { formatPurl, nameKey, type PackageName, type Purl } from '../model/purl.ts'
import type { Release } from '../model/release.ts'
import { packageType } from '../package-types/all.ts'
import { checkTag } from '../package-types/tags.ts'
import type { Records, Submission } from '../store/records.ts'
import type { Notices } from '../trust/notices.ts'
import type { LocalPublisher } from '../trust/publishers.ts'
import type { Shares } from '../trust/shares.ts'
import { newest } from '../trust/view.ts'
import type { Outbox } from './outbox.ts'

interface Components {
  records: Records
  shares: Shares
  notices: Notices
  publisher: LocalPublisher
  outbox: Pick<Outbox, 'announce'>
}

/** A release that is being published: its record stands on no shelf yet. */
export interface BeingPublished {
  readonly release: Release
  readonly audiences: readonly Audience[]
  /** What is to name it; by default `latest` follows what is higher, as it does without any tag. */
  readonly tag?: string | undefined
}

/** A tag that is to name a version on these shelves, and nothing on others. */
interface Move {
  readonly tag: string
  readonly version: string
  readonly audiences: readonly Audience[]
}

export class Curation {
  readonly #components: Components
  /** Two notices of one number would leave it to chance which counts: those of a package are made one after another. */
  readonly #turns = new Turns()

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Have a tag name a release of this node's publisher.
   *
   * @throws CatalogError `NAME_INVALID`; `NOT_FOUND`, `WITHDRAWN`; `REFUSED` for a release of somebody else
   */
  tag(release: Purl & { version: string }, tag: string): Promise<void> {
    return this.#inTurn(release, async () => {
      const [own] = await this.#own(release, release.version)
      if (this.#components.notices.isWithdrawn(own)) throw withdrawn(own)
      return this.#tagged(own.body, tag, { version: release.version, audiences: this.#shelvesOf(own) })
    })
  }

  /** Have a tag name nothing any more. @returns whether it named something @throws CatalogError as `tag` */
  async untag(name: PackageName, tag: string): Promise<boolean> {
    let changed = false
    await this.#inTurn(name, async () => {
      await this.#own(name)
      const made = await this.#tagged(name, tag, { audiences: [] })
      changed = made.length > 0
      return made
    })
    return changed
  }

  /**
   * Say why releases should not be used.
   *
   * @param messages - by version; an empty one takes back what was said
   * @returns versions of which it was not said before
   * @throws CatalogError as `tag`; `RECORD_INVALID` for a message that is too long
   */
  deprecate(name: PackageName, messages: ReadonlyMap<string, string>): Promise<readonly string[]> {
    const { notices } = this.#components
    return this.#say(name, 'deprecation', messages.keys(), ({ body, record }) => {
      const message = messages.get(body.version) ?? ''
      const said = notices.of(body, record.signer).deprecated.get(body.version) ?? ''
      return message === said ? undefined : { message }
    })
  }

  /**
   * Take releases back, or put them into their place again: nobody chooses what was taken back, and who keeps its bytes
   * has it.
   *
   * @returns versions of which it was not said before
   * @throws CatalogError as `deprecate`
   */
  withdraw(
    name: PackageName,
    versions: Iterable<string>,
    { isWithdrawn = true, reason }: { isWithdrawn?: boolean; reason?: string | undefined } = {},
  ): Promise<readonly string[]> {
    return this.#say(name, 'withdrawal', versions, (release) => {
      if (this.#components.notices.isWithdrawn(release) === isWithdrawn) return undefined
      return { withdrawn: isWithdrawn, ...(reason ? { reason } : {}) }
    })
  }

  /** Versions of this node's publisher, in no order. @throws CatalogError `NOT_FOUND`, `REFUSED` */
  async versions(name: PackageName): Promise<string[]> {
    return (await this.#own(name)).map(({ body }) => body.version)
  }

  /**
   * Publish with the tags that come with it: `commit` stores them and the release in one transaction.
   *
   * @throws CatalogError `NAME_INVALID`, what `commit` throws
   */
  async publishing(being: BeingPublished, commit: (notices: readonly Submission[]) => Promise<void>): Promise<void> {
    // Most move no tag, and need not wait for each other.
    if (this.#moves(being).length === 0) return commit([])
    const { body } = being.release
    const notices = await this.#turns.take(nameKey(body), async () => {
      const made: Submission[] = []
      for (const { tag, ...named } of this.#moves(being)) made.push(...(await this.#tagged(body, tag, named)))
      await commit(made)
      return made
    })
    await this.#tell(notices)
  }

  /** What tags come to name with a release; some may name it already. */
  #moves({ release, audiences, tag }: BeingPublished): Move[] {
    const { notices, records } = this.#components
    const { body, record } = release
    const type = packageType(body.type)
    const said = notices.of(body, record.signer)
    if (tag === undefined && !said.tags.has(LATEST)) return []
    const own = records.releases(body).filter((other) => other.record.signer === record.signer)
    const [before, after] = [newest(own, type, said), newest([...own, release], type, said)]
    const move = (tag: string) => ({ tag, version: body.version, audiences })
    if (tag === undefined) {
      const isHigher = before && type.compareVersions(body.version, before.body.version) > 0
      return isHigher && !type.isPrerelease(body.version) ? [move(LATEST)] : []
    }
    if (tag === LATEST) return after === release ? [] : [move(LATEST)]
    if (!before || after !== release) return [move(tag)]
    // As the version is published under another tag, this one must not come to name it by itself.
    return [move(tag), { tag: LATEST, version: before.body.version, audiences: this.#shelvesOf(before) }]
  }

  /** The records that have a tag name a version on these shelves, and nothing on others; none when it is so already. */
  async #tagged(
    name: PackageName,
    tag: string,
    { version, audiences }: { version?: string; audiences: readonly Audience[] },
  ): Promise<Submission[]> {
    const { notices, publisher, records } = this.#components
    const subject = tagSubject(name, tag)
    const { signer } = await publisher.identity()
    if (version !== undefined) this.#checkNew(name, signer, tag)
    const shelves = new Map(
      records.audiencesOf(signer).map((audience) => {
        const [standing] = records.slot(audience, signer, 'tag', subject)
        return [audience, standing && readNotice(standing).version]
      }),
    )
    const taken = [...shelves].filter(([audience, said]) => said !== undefined && !audiences.includes(audience))
    if (taken.length === 0 && audiences.every((audience) => shelves.get(audience) === version)) return []
    const seq = (notices.latest(signer, 'tag', subject)?.statement.seq ?? 0) + 1
    const nothing = taken.length > 0 && (await publisher.sign({ kind: 'tag', subject, seq, body: {} }))
    const outside = nothing ? taken.map(([audience]) => ({ record: nothing, audience })) : []
    if (version === undefined) return outside
    const record = await publisher.sign({ kind: 'tag', subject, seq: seq + 1, body: { version } })
    return [...outside, ...audiences.map((audience) => ({ record, audience }))]
  }

  #checkNew(name: PackageName, signer: string, tag: string): void {
    const { records, notices } = this.#components
    checkTag(tag)
    if (records.releases(name, tag).some(({ record }) => record.signer === signer)) {
      throw new CatalogError('NAME_INVALID', `There is a version ${tag} of this package: it can be no tag.`)
    }
    const tags = notices
      .of(name, signer)
      .records.map(readNotice)
      .filter(({ kind }) => kind === 'tag')
    if (tags.length < TAGS_MAX || tags.some((known) => known.tag === tag)) return
    throw new CatalogError('LIMIT_EXCEEDED', `A package has at most ${TAGS_MAX} tags, with those it ever had.`)
  }

  /** @param bodyOf - undefined where there is nothing to be said */
  async #say(
    name: PackageName,
    kind: NoticeKind,
    versions: Iterable<string>,
    bodyOf: (release: Release) => Record<string, unknown> | undefined,
  ): Promise<readonly string[]> {
    const { notices, publisher } = this.#components
    const said: string[] = []
    await this.#inTurn(name, async () => {
      const releases = await Promise.all([...versions].map((version) => this.#own(name, version)))
      const made = releases.flat().map(async (release): Promise<Submission[]> => {
        const body = bodyOf(release)
        if (!body) return []
        said.push(release.body.version)
        const { signer } = release.record
        const seq = (notices.latest(signer, kind, release.purl)?.statement.seq ?? 0) + 1
        const record = await publisher.sign({ kind, subject: release.purl, seq, body })
        return this.#shelvesOf(release).map((audience) => ({ record, audience }))
      })
      return (await Promise.all(made)).flat()
    })
    return said
  }

  /** One change to what is said of a package after another; each is told once it is stored. */
  async #inTurn(name: PackageName, make: () => Promise<Submission[]>): Promise<void> {
    const submissions = await this.#turns.take(nameKey(name), async () => {
      const made = await make()
      await this.#components.records.admitAll(made)
      return made
    })
    await this.#tell(submissions)
  }

  /** Tell the network of what everybody may hear. */
  async #tell(submissions: readonly Submission[]): Promise<void> {
    const { outbox } = this.#components
    const told = submissions.filter(({ audience }) => audience === 'public').slice(0, ANNOUNCEMENTS_PER_MINUTE)
    for (const { record } of told) await outbox.announce({ record, purl: formatPurl(readNotice(record).about) })
  }

  /** @throws CatalogError `NOT_FOUND`, `REFUSED` */
  async #own(name: PackageName, version?: string): Promise<[Release, ...Release[]]> {
    const { records, publisher } = this.#components
    const { type } = name
    const purl = formatPurl({ type, name: name.name, ...(version === undefined ? {} : { version }) })
    const signer = (await publisher.existing())?.signer
    const all = records.releases(name, version)
    const [own, ...others] = all.filter(({ record }) => record.signer === signer)
    if (own) return [own, ...others]
    if (all.length === 0) throw new CatalogError('NOT_FOUND', `${purl} has not been published here.`)
    throw new CatalogError('REFUSED', `${purl} was published by somebody else; only its publisher can say that of it.`)
  }

  /** Shelves of all who may know of a release now. */
  #shelvesOf(release: Release): Audience[] {
    const { records, shares } = this.#components
    const standing = records.audiencesOf(release.record.signer).filter((one) => records.isOn(one, release.record))
    const granted = shelvesOf(shares.grantOf(release))
    const seen = standing.filter((audience) => granted.includes(audience))
    return seen.length > 0 ? seen : standing
  }
}

function withdrawn({ purl }: Release): CatalogError {
  return new CatalogError('WITHDRAWN', `${purl} was withdrawn: no tag can name it.`, {
    hint: `To put it back: catalog withdraw ${purl} --undo`,
  })
}
