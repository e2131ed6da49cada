// What a store goes through until something happens to it: a seeded mix of all that changes it, some of it at once.
// Each operation is told of before it begins and after it was acknowledged; the ledger draws from that what must be
// there.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '../../src/base/bytes.ts'
import { CatalogError, type ErrorCode, hasCode } from '../../src/base/errors.ts'
import { PACK_ALONE_BYTES } from '../../src/base/limits.ts'
import { type Random, shuffled } from '../../src/base/random.ts'
import { KiB } from '../../src/base/units.ts'
import { bytesOf } from '../unit/store/opened.ts'
import { contentOf, contentSized, farRelease, nameOf, packageOf, purlOf, TYPE, VERSION } from './packages.ts'
import type { Stand } from './stand.ts'

export type Verb =
  | 'publish'
  | 'hear'
  | 'fetch'
  | 'withdraw'
  | 'pin'
  | 'unpin'
  | 'rot'
  | 'sweep'
  | 'repack'
  | 'scrub'
  | 'read'

/** What the workload says of itself. */
export type Told =
  | { readonly verb: Verb; readonly name: string; readonly state: 'begun' | 'done' | 'refused'; code?: ErrorCode }
  /** About to be forgotten, in a transaction that is not committed yet: a root. */
  | { readonly forgotten: string }
  /** Found damaged, and put out of sight: a root. */
  | { readonly damaged: string; readonly reason: string }
  /** Read with other bytes than it has: a root. */
  | { readonly misread: string }
  /** Something that must never happen. */
  | { readonly fault: string }

export interface WorkloadOptions {
  readonly random: Random
  /** Outside of the store, for what is published. */
  readonly sources: string
  readonly tell: (told: Told) => void
  /** Packages made are numbered from here. */
  readonly from: number
  /** Numbers of contents to choose from. */
  readonly contents?: readonly number[]
  /** Codes that an operation may be refused with, beside what is in its nature. */
  readonly mayRefuse?: readonly ErrorCode[]
}

/** How often each is chosen. */
const WEIGHTS: Record<Verb, number> = {
  ...{
    publish: 8,
    hear: 0,
    fetch: 7,
    withdraw: 3,
    pin: 1,
    unpin: 1,
    rot: 0.3,
    sweep: 1.5,
    repack: 2,
    scrub: 1,
    read: 2,
  },
}
/** Few, so that one is published and fetched under several names. */
const CONTENTS = Array.from({ length: 150 }, (_, content) => content)
/** Of a publish: it is of a blob that has a pack of its own. */
const ALONE_SHARE = 0.01
const AT_ONCE_MAX = 4

export class Workload {
  readonly #stand: Stand
  readonly #options: WorkloadOptions
  #made: number

  constructor(stand: Stand, options: WorkloadOptions) {
    this.#stand = stand
    this.#options = options
    this.#made = options.from
    const { blobs } = stand.store
    const { remove } = blobs
    blobs.remove = (root) => {
      options.tell({ forgotten: toHex(root) })
      remove.call(blobs, root)
    }
  }

  /** One to four operations at once. */
  async step(): Promise<void> {
    const count = 1 + Math.floor(this.#options.random.fraction() * AT_ONCE_MAX)
    const verbs = Array.from({ length: count }, () => this.#choose())
    // Damage is done to a store at rest: what is being read or moved would be damaged in ways nobody can tell.
    const chosen = verbs.includes('rot') ? (['rot'] as const) : verbs
    await Promise.all(chosen.map((verb) => this.do(verb)))
  }

  async do(verb: Verb): Promise<void> {
    const { random } = this.#options
    if (verb === 'publish') await this.publish(random.fraction() < 0.1 ? this.#one('own') : this.#newName('own'))
    else if (verb === 'fetch') await this.#fetchSome()
    else if (verb === 'withdraw') await this.#with('own', (name) => this.withdraw(name))
    else if (verb === 'pin' || verb === 'unpin') {
      await this.#with(random.fraction() < 0.3 ? 'own' : 'far', (name) => this.#keep(verb, name))
    } else if (verb === 'rot') await this.#rot()
    else if (verb === 'read') await this.#read()
    else await this.#clear(verb)
  }

  /** Everything that was begun is brought to its end. */
  async finish(): Promise<void> {
    for (const name of this.#names('far')) await this.fetch(name)
    for (const verb of ['sweep', 'repack', 'scrub'] as const) await this.#clear(verb, true)
  }

  async publish(name = this.#newName('own')): Promise<void> {
    const path = join(this.#options.sources, `${name}.bin`)
    writeFileSync(path, contentOf(packageOf(name).content).bytes)
    const publishing = async () => {
      try {
        await this.#stand.publishing.publish(path, { type: TYPE, name, version: VERSION })
      } catch (cause) {
        if (!hasCode(cause, 'RELEASE_EXISTS') || !(await this.#isWithdrawn(name))) throw cause
        throw new CatalogError('WITHDRAWN', 'What was withdrawn never comes again.', { cause })
      }
    }
    await this.#told('publish', name, publishing, ['WITHDRAWN'])
  }

  async #isWithdrawn(name: string): Promise<boolean> {
    const { publisher, store } = this.#stand
    const { signer } = await publisher.identity()
    return store.records.slot('public', signer, 'withdrawal', purlOf(name)).length > 0
  }

  async fetch(name: string, patience?: number): Promise<void> {
    const { store, fetcher, provider } = this.#stand
    const { release, artifact, records } = farRelease(name)
    if (!store.records.get(release.id)) {
      const heard = records.map((record) => ({ record, audience: 'public' as const }))
      if (!(await this.#told('hear', name, () => store.records.admitAll(heard)))) return
    }
    provider.offer(contentOf(packageOf(name).content), patience)
    await this.#told('fetch', name, () => fetcher.fetch(artifact, release.id, providers()), [
      'NO_PROVIDERS',
      'LIMIT_EXCEEDED',
    ])
  }

  /** A new package, or one that was begun or has gone; now and then the provider gives up. */
  async #fetchSome(): Promise<void> {
    const { random } = this.#options
    const name = (random.fraction() < 0.5 ? this.#one('far') : undefined) ?? this.#newName('far')
    const { size } = contentOf(packageOf(name).content)
    await this.fetch(name, random.fraction() < 0.4 ? random.fraction() * size : undefined)
  }

  async withdraw(name: string): Promise<void> {
    const { publisher, store } = this.#stand
    if (await this.#isWithdrawn(name)) return
    const subject = purlOf(name)
    const record = await publisher.sign({ kind: 'withdrawal', subject, seq: 1, body: { withdrawn: true } })
    await this.#told('withdraw', name, () => store.records.admitAll([{ record, audience: 'public' }]))
  }

  async #keep(verb: 'pin' | 'unpin', name: string): Promise<void> {
    const { kept, records } = this.#stand.store
    for (const { record } of records.releases({ type: TYPE, name }, VERSION)) {
      await this.#told(verb, name, () => (verb === 'pin' ? kept.add(record.id, purlOf(name)) : kept.remove(record.id)))
    }
  }

  async #clear(verb: Verb, all = false): Promise<void> {
    const { collector, repacker, scrubber, blobs } = this.#stand.store
    const roots = shuffled(
      this.#options.random,
      [...blobs.list()].map(({ root }) => root),
    )
    await this.#told(verb, '', async () => {
      if (verb === 'sweep') for await (const _ of collector.sweep());
      if (verb === 'repack') for await (const _ of repacker.run());
      if (verb !== 'scrub') return
      for await (const { root, damaged, reason } of scrubber.run(all ? roots : roots.slice(0, 4))) {
        if (damaged > 0) this.#options.tell({ damaged: toHex(root), reason: reason ?? '' })
      }
    })
  }

  /** Some blob as it is, while others change the store. */
  async #read(): Promise<void> {
    const { store } = this.#stand
    const names = [...this.#names('own'), ...this.#names('far')]
    const name = shuffled(this.#options.random, names)[0]
    if (name === undefined) return
    const { root, bytes } = contentOf(packageOf(name).content)
    const read = await bytesOf(store, root)
    if (read && !read.equals(bytes)) this.#options.tell({ misread: toHex(root) })
  }

  /** A byte changes on the disk; a scrub finds it, and only what is damaged is fetched again. */
  async #rot(): Promise<void> {
    const { blobs, scrubber } = this.#stand.store
    const name = this.#names('far').find((each) => {
      const { root } = contentOf(packageOf(each).content)
      return blobs.row(root)?.pack !== undefined && blobs.releasesOf(root).length === 1 && !blobs.isOwn(root)
    })
    if (name === undefined) return
    const { root, size } = contentOf(packageOf(name).content)
    await this.#told('rot', name, async () => {
      using lease = blobs.lease(root)
      flip(lease?.path ?? '', (lease?.offset ?? 0) + Math.floor(this.#options.random.fraction() * size))
      for await (const { damaged } of scrubber.run([root])) {
        if (damaged === 0) this.#options.tell({ fault: `a damaged chunk of ${name} was not seen` })
      }
    })
    await this.fetch(name)
  }

  async #with(kind: 'own' | 'far', work: (name: string) => Promise<void>): Promise<void> {
    const name = this.#one(kind)
    if (name !== undefined) await work(name)
  }

  /** @returns whether it was acknowledged */
  async #told(
    verb: Verb,
    name: string,
    work: () => Promise<unknown>,
    refusals: readonly ErrorCode[] = [],
  ): Promise<boolean> {
    const { tell, mayRefuse = [] } = this.#options
    tell({ verb, name, state: 'begun' })
    try {
      await work()
    } catch (thrown) {
      const { code, message, stack } = CatalogError.from(thrown)
      const expected = refusals.includes(code) || mayRefuse.includes(code)
      tell(
        expected ? { verb, name, state: 'refused', code } : { fault: `${verb} ${name}: ${code} ${message} ${stack}` },
      )
      return false
    }
    tell({ verb, name, state: 'done' })
    return true
  }

  #choose(): Verb {
    let at = this.#options.random.fraction() * Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0)
    for (const [verb, weight] of Object.entries(WEIGHTS)) {
      at -= weight
      if (at < 0) return verb as Verb
    }
    return 'publish'
  }

  #newName(kind: 'own' | 'far'): string {
    const { random, contents = CONTENTS } = this.#options
    const alone = contents === CONTENTS && kind === 'own' && random.fraction() < ALONE_SHARE
    const size = PACK_ALONE_BYTES + Math.floor(random.fraction() * KiB)
    const content = alone ? contentSized(size) : contents[Math.floor(random.fraction() * contents.length)]
    return nameOf({ kind, number: this.#made++, content: content ?? 0 })
  }

  /** Packages with a release here, of a kind. */
  #names(kind: 'own' | 'far'): string[] {
    const { names } = this.#stand.store.environment
    const all = [...names.getKeys({ start: [TYPE] })].map(([, name = '']) => name)
    return [...new Set(all)].filter((name) => packageOf(name).kind === kind)
  }

  #one(kind: 'own' | 'far'): string | undefined {
    return shuffled(this.#options.random, this.#names(kind))[0]
  }
}

async function* providers(): AsyncGenerator<string> {
  yield 'provider'
}

function flip(path: string, at: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, at)
  closeSync(file)
}
