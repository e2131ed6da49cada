// Who may see a release: the newest share its signer made of it, on any shelf here. No share, or one of a kind that
// cannot be enforced yet, means nobody but this node.
import { AUDIENCES, type Permission, readShare } from '../model/permission.ts'
import type { CatalogRecord } from '../model/record.ts'
import type { Release } from '../model/release.ts'
import type { Records } from '../store/records.ts'

export class Shares {
  readonly #records: Records

  constructor({ records }: { records: Records }) {
    this.#records = records
  }

  /** Newest share of a release, if there is one. Two of one number: the one that is not public. */
  latest(signer: string, purl: string): CatalogRecord | undefined {
    let newest: CatalogRecord | undefined
    for (const audience of AUDIENCES) {
      for (const share of this.#records.slot(audience, signer, 'share', purl)) {
        const ahead = (share.statement.seq ?? 0) - (newest?.statement.seq ?? -1)
        if (ahead > 0 || (ahead === 0 && readShare(share).permission !== 'public')) newest = share
      }
    }
    return newest
  }

  permissionOf(release: Release): Permission {
    const share = this.latest(release.record.signer, release.purl)
    return share ? readShare(share).permission : 'private'
  }

  /** Whether any peer may see this release. */
  isPublic(release: Release): boolean {
    return this.permissionOf(release) === 'public' && this.#records.isOn('public', release.record)
  }
}
