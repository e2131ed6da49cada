// This node's own publisher: made on its first publish, so that no ceremony comes before it. Two keys: the root key
// signs documents, the release key signs releases; both stay in the data directory, 0600.
import { join } from 'node:path'
import { Batches } from '../base/batches.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import type { Effects } from '../base/effects.ts'
import { SIGNATURES_PER_BATCH_MAX } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { type SigningKey, signingKey } from '../model/ed25519.ts'
import { firstDocumentBody } from '../model/publisher.ts'
import { type CatalogRecord, draftRecord, type Statement, signRecord } from '../model/record.ts'
import { loadOrCreateSeed } from '../network/identity.ts'

const ROOT_KEY = 'publisher-root.key'
const RELEASE_KEY = 'publisher-release.key'

interface Components {
  disk: Disk
  clock: Clock
  random: Random
  effects: Effects
}

/** Another thread takes longer to hear of a release and its share than signing them takes. */
const SIGNED_AT_ONCE_MAX = 2

export class LocalPublisher {
  readonly #components: Components
  readonly #keys: string
  readonly #signatures: Batches<Uint8Array, Uint8Array>
  #identity: Promise<Identity> | undefined

  constructor(components: Components, options: { keys: string }) {
    this.#components = components
    this.#keys = options.keys
    this.#signatures = new Batches((messages) => this.#signAll(messages), { itemsMax: SIGNATURES_PER_BATCH_MAX })
  }

  /** Load this node's publisher, or make it. */
  identity(): Promise<Identity> {
    this.#identity ??= this.#load().catch((error) => {
      this.#identity = undefined
      throw error
    })
    return this.#identity
  }

  /** The identity if there is one; makes none. */
  async existing(): Promise<Identity | undefined> {
    const there = await this.#components.disk.exists(join(this.#keys, RELEASE_KEY))
    return there ? this.identity() : undefined
  }

  /** Sign a statement with the release key; several at one time share the way to another thread. */
  async sign(statement: Omit<Statement, 'v' | 'signer' | 'signerVersion' | 'at'>): Promise<CatalogRecord> {
    const { signer, version, releaseKey } = await this.identity()
    const at = this.#components.clock.now()
    const draft = draftRecord({ v: 1, ...statement, signer, signerVersion: version, at })
    return draft.complete([{ key: releaseKey.publicKey, value: await this.#signatures.add(draft.signed) }])
  }

  async #signAll(messages: readonly Uint8Array[]): Promise<PromiseSettledResult<Uint8Array>[]> {
    const { releaseKey } = await this.identity()
    const signatures = await this.#components.effects.run(async () =>
      messages.length <= SIGNED_AT_ONCE_MAX ? messages.map(releaseKey.sign) : releaseKey.signAll(messages),
    )
    return signatures.map((value) => ({ status: 'fulfilled', value }))
  }

  async #load(): Promise<Identity> {
    const { random, effects } = this.#components
    const load = (name: string) => effects.run(() => loadOrCreateSeed(join(this.#keys, name), random))
    const rootKey = signingKey(await load(ROOT_KEY))
    const releaseKey = signingKey(await load(RELEASE_KEY))
    // `at` is fixed: the publisher's id hangs on these bytes, and they must come out the same from the keys alone.
    const document = signRecord(
      {
        v: 1,
        kind: 'publisher',
        subject: 'v1',
        signer: 'publisher:',
        signerVersion: 1,
        at: 0,
        body: firstDocumentBody(rootKey.publicKey, releaseKey.publicKey),
      },
      [rootKey],
    )
    return { signer: document.signer, version: 1, documents: [document], releaseKey }
  }
}

export interface Identity {
  /** `publisher:<id>` */
  readonly signer: string
  /** Of the newest document. */
  readonly version: number
  readonly documents: readonly CatalogRecord[]
  readonly releaseKey: SigningKey
}
