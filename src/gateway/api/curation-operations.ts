// Operations on what is said of releases once they are published: tags, deprecations, withdrawals.
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { formatPurl, type PackageName, parsePurl, parseVersionedPurl } from '../../model/purl.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import { operation, purl } from './operation.ts'

const tag = z.string().min(1)

/** `tag` {purl, tag, version}. */
export const tagAdd = operation({
  input: z.strictObject({ purl, tag }),
  async *run({ sharing }, { purl, tag }) {
    const release = parseVersionedPurl(purl)
    await sharing.curation.tag(release, tag)
    yield { type: 'tag', purl: nameOf(release), tag, version: release.version }
  },
})

/** `tag` {purl, tag, version: null, changed}. */
export const tagRemove = operation({
  input: z.strictObject({ purl, tag }),
  async *run({ sharing }, { purl, tag }) {
    const name = parsePurl(purl)
    yield { type: 'tag', purl: nameOf(name), tag, version: null, changed: await sharing.curation.untag(name, tag) }
  },
})

/** `tag` {purl, tag, version} for each, then `summary` {tags}. */
export const tagList = operation({
  input: z.strictObject({ purl }),
  async *run({ sharing }, { purl }, signal) {
    const { tags } = await sharing.packageInfo(purl, { signal })
    const all = Object.entries(tags)
    for (const [tag, version] of all) yield { type: 'tag', purl: nameOf(parsePurl(purl)), tag, version }
    yield { type: 'summary', tags: all.length }
  },
})

/** `deprecated` {purl, message} for each version of which it was not said before, then `summary` {deprecated}. */
export const deprecate = operation({
  input: z.strictObject({ purl, message: z.string() }),
  async *run({ sharing }, { purl, message }) {
    const { name, versions } = await meant(sharing, purl)
    const said = await sharing.curation.deprecate(name, new Map(versions.map((version) => [version, message])))
    for (const version of said) yield { type: 'deprecated', purl: formatPurl({ ...name, version }), message }
    yield { type: 'summary', deprecated: said.length }
  },
})

/** `withdrawn` {purl, undone} for each version of which it was not said before, then `summary` {withdrawn}. */
export const withdraw = operation({
  input: z.strictObject({
    purl,
    reason: z.string().optional(),
    undo: z.boolean().optional(),
    all: z.boolean().optional(),
  }),
  async *run({ sharing }, { purl, reason, undo = false, all = false }) {
    if ((parsePurl(purl).version === undefined) !== all) {
      throw new CatalogError('USAGE', 'A version is withdrawn, or with "all" every version of a package.', {
        hint: 'As in: catalog withdraw pkg:npm/name@1.0.0, or catalog withdraw pkg:npm/name --all',
      })
    }
    const { name, versions } = await meant(sharing, purl)
    const said = await sharing.curation.withdraw(name, versions, { isWithdrawn: !undo, reason })
    for (const version of said) yield { type: 'withdrawn', purl: formatPurl({ ...name, version }), undone: undo }
    yield { type: 'summary', withdrawn: said.length }
  },
})

/** A version, or all that this node's publisher has. */
async function meant(sharing: SharingManager, purl: string): Promise<{ name: PackageName; versions: string[] }> {
  const { type, name, version } = parsePurl(purl)
  const versions = version === undefined ? await sharing.curation.versions({ type, name }) : [version]
  return { name: { type, name }, versions }
}

function nameOf({ type, name }: PackageName): string {
  return formatPurl({ type, name })
}
