// The shelves that two nodes may make equal: those that this node keeps or follows, and that both may see.
import { toHex } from '../base/bytes.ts'
import type { Audience } from '../model/audience.ts'
import type { Records } from '../store/records.ts'
import { shelfKey } from '../store/trie-rows.ts'
import type { Access } from '../trust/access.ts'
import type { ShelfName } from './session.ts'

interface Components {
  records: Records
  access: Access
  /** Signers whose public shelf is kept as soon as somebody has it. */
  followed: () => Iterable<string>
}

export class Catalogue {
  readonly #components: Components
  /** Shelves that were here at some time, by key. */
  readonly #kept = new Map<string, ShelfName>()
  #isRead = false

  constructor(components: Components) {
    this.#components = components
    components.records.onChange((changes) => {
      for (const { op, audience, signer } of changes) if (op === 'add') this.#note(audience as Audience, signer)
    })
  }

  /** Shelves that a peer may know of, in the order of their keys. */
  shelvesWith(peer: string): ShelfName[] {
    const { access } = this.#components
    return [...this.#kept.entries()]
      .filter(([, { audience, signer }]) => access.maySeeShelf(peer, audience, signer))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, shelf]) => shelf)
  }

  /** The shelf with a key, if it is here and a peer may know of it. */
  find(peer: string, key: Uint8Array): ShelfName | undefined {
    const shelf = this.#kept.get(toHex(key))
    return shelf && this.#components.access.maySeeShelf(peer, shelf.audience, shelf.signer) ? shelf : undefined
  }

  /** Take in whom the user follows by now: before shelves are named, or one is sought that is not known. */
  refresh(): void {
    const { records, followed } = this.#components
    if (!this.#isRead) for (const { audience, signer } of records.shelves.names()) this.#note(audience, signer)
    this.#isRead = true
    for (const signer of followed()) this.#note('public', signer)
  }

  #note(audience: Audience, signer: string): void {
    const shelf = shelfName(audience, signer)
    this.#kept.set(toHex(shelf.key), shelf)
  }
}

export function shelfName(audience: Audience, signer: string): ShelfName {
  return { audience, signer, key: shelfKey(audience, signer) }
}
