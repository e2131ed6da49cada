// What npm changes of packages that are published: tags, deprecations, and versions that are taken back. npm reads the
// whole document with `?write=true`, changes it and sends it again; what that comes to is told apart here. Each change
// may come twice.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { toHex } from '../../base/bytes.ts'
import { CatalogError, hasCode } from '../../base/errors.ts'
import type { PackageName } from '../../model/purl.ts'
import type { PackageState, PackageView } from '../../package-view.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import { versionOf } from './packument.ts'
import type { PublishDocument } from './publish-body.ts'

interface Components {
  view: PackageView
  sharing: SharingManager
}

const tagsSchema = z.record(z.string(), z.string())

/** Names the state of a package: who wants to change it says which one was read. */
export function revisionOf({ releases, tags, deprecated }: PackageState): string {
  const ids = releases.map(({ record }) => toHex(record.id))
  const said = JSON.stringify([ids, Object.entries(tags).sort(), [...deprecated].sort()])
  return `${releases.length}-${createHash('sha256').update(said).digest('hex').slice(0, 32)}`
}

export class NpmChanges {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /** A document without a tarball: of the versions in it, those that it says are deprecated are, and the others not. */
  async deprecate(name: PackageName, { versions }: PublishDocument): Promise<void> {
    const { releases } = await this.#components.view.state(name)
    const messages = releases.flatMap(({ body: { version } }): [string, string][] => {
      const said = Object.hasOwn(versions, version) ? versions[version] : undefined
      if (!said) return []
      return [[version, typeof said['deprecated'] === 'string' ? said['deprecated'] : '']]
    })
    await this.#components.sharing.curation.deprecate(name, new Map(messages))
  }

  /** A document of which versions were taken. @throws CatalogError `CONFLICT` when it was made of an older state */
  async replace(name: PackageName, revision: string, document: PublishDocument): Promise<void> {
    const state = await this.#components.view.state(name)
    const gone = versionsOf(state).filter((version) => !Object.hasOwn(document.versions, version))
    if (gone.length === 0) return this.deprecate(name, document)
    checkRevision(state, revision)
    await this.#components.sharing.curation.withdraw(name, gone)
  }

  /** All versions. @throws CatalogError `NOT_FOUND`, `CONFLICT` */
  async remove(name: PackageName, revision: string): Promise<void> {
    const state = await this.#components.view.state(name)
    checkRevision(state, revision)
    await this.#components.sharing.curation.withdraw(name, versionsOf(state))
  }

  /** The version of a tarball; mostly it went with the document before, perhaps as the last one. */
  async removeTarball(name: PackageName, file: string): Promise<void> {
    const { view, sharing } = this.#components
    try {
      const version = versionOf(name.name, file)
      const { releases } = await view.state(name)
      const versions = releases.map(({ body }) => body.version).filter((each) => each === version)
      await sharing.curation.withdraw(name, versions)
    } catch (thrown) {
      if (!hasCode(thrown, 'NOT_FOUND')) throw thrown
    }
  }

  tag({ type, name }: PackageName, tag: string, version: unknown): Promise<void> {
    if (typeof version !== 'string') throw new CatalogError('USAGE', 'The body must be a version, as a JSON string.')
    return this.#components.sharing.curation.tag({ type, name, version }, tag)
  }

  async untag(name: PackageName, tag: string): Promise<void> {
    await this.#components.sharing.curation.untag(name, tag)
  }

  /** @param tags - what is said of the tags in it; `isAll` takes back all others */
  async tagAll(name: PackageName, tags: unknown, isAll: boolean): Promise<void> {
    const parsed = tagsSchema.safeParse(tags)
    if (!parsed.success) throw new CatalogError('USAGE', 'The body must be an object of tags and their versions.')
    const known = await this.#components.view.state(name)
    for (const [tag, version] of Object.entries(parsed.data)) await this.tag(name, tag, version)
    const others = Object.keys(known.tags).filter((tag) => !Object.hasOwn(parsed.data, tag))
    if (isAll) for (const tag of others) await this.untag(name, tag)
  }
}

function versionsOf({ releases }: PackageState): string[] {
  return releases.map(({ body }) => body.version)
}

function checkRevision(state: PackageState, revision: string): void {
  if (revision === revisionOf(state)) return
  throw new CatalogError('CONFLICT', 'Document update conflict: the package has changed since it was read.', {
    hint: 'Try again.',
  })
}
