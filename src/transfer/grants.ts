// What a peer is given when it asks for a blob, decided once for both planes: by the release it names, by whether this
// node has the blob under that release, and by who asks. A blob that is still being fetched is served as far as it is
// verified.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import type { Blobs, Lease } from '../store/blobs.ts'
import type { Records } from '../store/records.ts'
import type { Access } from '../trust/access.ts'
import type { Priority } from './gate.ts'

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
  /** How urgent it is, as the sender sees it. */
  readonly priority: Priority
  readonly size: number
  readonly lease: Lease
  /** One bit a chunk: what may be read of a blob that is not whole. As it was when it was granted. */
  readonly held: Uint8Array | undefined
  /** Where the chunk ids lie in the lease's file; absent when they are only to be had by `outline`. */
  readonly outlineAt: number | undefined
  outline(): Promise<Uint8Array>
}

/** A grant before it is counted. */
type Given = Omit<Grant, 'purl' | 'priority' | typeof Symbol.dispose>

interface Components {
  blobs: Blobs
  records: Records
  access: Access
}

/** The sender decides who comes first, and not who asks. */
const PRIORITIES = { device: 'critical', friend: 'high', other: 'normal' } as const

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

  /** @throws CatalogError `NOT_FOUND`, whatever the reason; `REFUSED` only to who may know that the release exists */
  grant(request: GrantRequest): Grant {
    const { access, blobs, records } = this.#components
    const { peer, root, release } = request
    const standing = access.standingOf(peer, release)
    const record = records.get(release)
    if (!record || standing === 'absent') throw absent()
    if (standing === 'known') {
      throw blobs.isUnder(root, release) ? new CatalogError('REFUSED', 'This release is for others only.') : absent()
    }
    const given = this.#whole(request) ?? this.#partial(request)
    if (!given) throw absent()
    const name = toHex(root)
    this.#out.set(name, (this.#out.get(name) ?? 0) + 1)
    let out = true
    return {
      ...given,
      purl: record.statement.subject,
      priority: PRIORITIES[access.relationOf(peer, release)],
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
