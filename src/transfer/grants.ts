// What a peer is given when it asks for a blob, decided once for both planes: by the release it names, by whether this
// node has the blob under that release, and by who asks. A blob that is still being fetched is served as far as it is
// verified.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { type Release, readRelease } from '../model/release.ts'
import type { Blobs, Lease } from '../store/blobs.ts'
import type { Records } from '../store/records.ts'
import type { Shares } from '../trust/shares.ts'

export interface GrantRequest {
  /** Who asks; authenticated. */
  readonly peer: string
  readonly root: Uint8Array
  /** Record id of the release it is asked for under. */
  readonly release: Uint8Array
}

/** Leave to read a blob, until it is disposed of: once, or more often without harm. */
export interface Grant extends Disposable {
  /** Of the release. */
  readonly purl: string
  readonly size: number
  readonly lease: Lease
  /** One bit a chunk: what may be read of a blob that is not whole. As it was when it was granted. */
  readonly held: Uint8Array | undefined
  /** Where the chunk ids lie in the lease's file; absent when they are only to be had by `outline`. */
  readonly outlineAt: number | undefined
  outline(): Promise<Uint8Array>
}

/** A grant before it is counted. */
type Given = Omit<Grant, 'purl' | typeof Symbol.dispose>

interface Components {
  blobs: Blobs
  records: Records
  shares: Shares
}

export class BlobGrants {
  readonly #components: Components
  /** By root, of grants that are out. */
  readonly #out = new Map<string, number>()

  constructor(components: Components) {
    this.#components = components
  }

  /** Grants not given back yet. */
  get outstanding(): number {
    return [...this.#out.values()].reduce((sum, count) => sum + count, 0)
  }

  /** @throws CatalogError `NOT_FOUND`, whatever the reason: refused looks like absent */
  grant(request: GrantRequest): Grant {
    const named = this.#permitted(request)
    if (!named) throw absent()
    const given = this.#whole(request) ?? this.#partial(request)
    if (!given) throw absent()
    const name = toHex(request.root)
    this.#out.set(name, (this.#out.get(name) ?? 0) + 1)
    let out = true
    return {
      ...given,
      purl: named.purl,
      [Symbol.dispose]: () => {
        if (!out) return
        out = false
        const left = (this.#out.get(name) ?? 1) - 1
        if (left > 0) this.#out.set(name, left)
        else this.#out.delete(name)
        given.lease[Symbol.dispose]()
      },
    }
  }

  /** The release, if the peer may have what belongs to it. */
  #permitted({ release: id }: GrantRequest): Release | undefined {
    const { records, shares } = this.#components
    const record = records.get(id)
    if (record?.statement.kind !== 'release') return undefined
    const release = readRelease(record)
    return shares.isPublic(release) ? release : undefined
  }

  #whole({ root, release }: GrantRequest): Given | undefined {
    const { blobs } = this.#components
    if (!blobs.isUnder(root, release)) return undefined
    const lease = blobs.lease(root)
    if (!lease) return undefined
    const outline = async () => {
      const ids = await blobs.outline(root)
      if (!ids) throw absent()
      return ids
    }
    return { size: lease.length, lease, held: undefined, outlineAt: blobs.outlineAt(lease), outline }
  }

  #partial({ root, release }: GrantRequest): Given | undefined {
    const partial = this.#components.blobs.partial(root)
    if (!partial) return undefined
    const { size, bitmap, lease, outline } = partial
    if (outline && Buffer.compare(partial.release, release) === 0) {
      return { size, lease, held: bitmap, outlineAt: undefined, outline: async () => outline }
    }
    lease[Symbol.dispose]()
    return undefined
  }
}

function absent(): CatalogError {
  return new CatalogError('NOT_FOUND', 'This blob is not known here.')
}
